"""Everything known of a dataset, as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acestep_core.data import Song
from acestep_core.dataset import Dataset
from acestep_core.inspection import Sound

_FIELDS = ("id", "duration_s", "rate_hz", "channels", "title", "artist", "caption", "genre", "lyrics", "bpm",
           "keyscale", "timesignature", "language", "repeats", "labelled", "instrumental", "sources", "confidence",
           "reviewed", "unreviewed", "notes")  # fmt: skip


def dataset_facts(dataset: Dataset, sounds: Mapping[Path, Sound] | None = None) -> dict[str, Any]:
    """Songs with their labels and problems; `sounds` are what listening measured, by path."""
    problems = [{"text": p.text, "remedy": p.remedy} for p in dataset.problems]
    songs = [_song(s, (sounds or {}).get(s.path)) for s in dataset.songs]
    return {"metadata": dataset.metadata, "songs": songs, "problems": problems, "notes": dataset.notes}


def _song(song: Song, sound: Sound | None) -> dict[str, Any]:
    heard = {"sound": asdict(sound)} if sound is not None else {}
    problems = [{"text": p.text, "remedy": p.remedy} for p in song.problems]
    return {"path": str(song.path), **{f: getattr(song, f) for f in _FIELDS}, **heard, "problems": problems}
