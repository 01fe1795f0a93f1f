"""The reference's dataset.json, read and written to the letter, with fields of ours that it ignores.

Source: AudioSample and DatasetMetadata, acestep/training/dataset_builder_modules/models.py and serialization.py.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from acestep_core.data import CHECKS, INSTRUMENTAL, MOST_REPEATS, OVERRIDES, SPLITS, Problem, Song
from acestep_core.errors import UserError, raise_all
from acestep_core.files import text_at, write_json
from acestep_core.scan import read_header
from acestep_core.sidecars import confidences, reviewed_fields

SETTINGS: Mapping[str, Any] = {
    "name": "untitled",
    "custom_tag": "",
    "tag_position": "prepend",
    "created_at": "",
    "all_instrumental": None,
    "genre_ratio": 0,
}
"""What a dataset says of all its songs. all_instrumental None: each song's lyrics say it."""

POSITIONS = ("prepend", "append", "replace")
_UNKNOWN = {"lyrics": INSTRUMENTAL, "language": "unknown"}  # what the reference writes where nothing is known


def read_dataset(path: Path) -> tuple[dict[str, Any], list[Song], list[Problem]]:
    """(settings, songs, problems of samples that are none). Raises `UserError` if the file is no dataset."""
    content = _json_of(path)
    samples = content.get("samples") if isinstance(content, dict) else content
    if not isinstance(samples, list):
        raise UserError(f"{path} has no list 'samples'", "save it with 'acestep-core dataset save'")
    songs, problems = [], []
    for number, sample in enumerate(samples, 1):
        if isinstance(sample, dict) and isinstance(sample.get("audio_path"), str):
            songs.append(_song(sample, path))
        else:
            problems.append(Problem(f"sample {number} of {path.name} has no 'audio_path'", "add it or delete it"))
    settings = _settings(content, path)
    if settings["all_instrumental"] is False and not any(_lacks_lyrics(s) for s in samples):
        settings["all_instrumental"] = None
    return settings, songs, problems


def write_dataset(path: Path, songs: Sequence[Song], settings: Mapping[str, Any]) -> None:
    """Metadata and samples in the reference's key order, then our fields."""
    samples = [_sample(s, settings["all_instrumental"]) for s in songs]
    given = settings["all_instrumental"]
    instrumental = all(s["is_instrumental"] for s in samples) if given is None else given
    write_json(path, {"metadata": metadata_of(settings, len(samples), instrumental), "samples": samples})


def metadata_of(settings: Mapping[str, Any], samples: int, instrumental: bool) -> dict[str, Any]:
    """What the reference keeps of a dataset besides its songs, as of now."""
    return {
        "name": settings["name"],
        "custom_tag": settings["custom_tag"],
        "tag_position": settings["tag_position"],
        "created_at": datetime.now().isoformat(timespec="seconds"),
        "num_samples": samples,
        "all_instrumental": instrumental,
        "genre_ratio": settings["genre_ratio"],
    }


def _lacks_lyrics(sample: Any) -> bool:
    """Whether a song is said to have a voice while its words are not known."""
    silent = isinstance(sample, dict) and sample.get("lyrics") in (None, "", INSTRUMENTAL)
    return silent and sample.get("is_instrumental") is False


def _json_of(path: Path) -> Any:
    try:
        return json.loads(text_at(path, "write it with 'acestep-core dataset save'"))
    except (ValueError, RecursionError) as e:
        raise UserError(f"{path} is no valid JSON ({e})", "correct it or save the dataset again") from None


def _settings(content: Any, path: Path) -> dict[str, Any]:
    """The settings in the file; what is missing or null is the default."""
    given = content.get("metadata") if isinstance(content, dict) else None
    given = given if isinstance(given, dict) else {}
    settings = {k: default if given.get(k) is None else given[k] for k, default in SETTINGS.items()}
    remedies = {k: _CHECKS.get(k, _text)(value) for k, value in settings.items()}
    raise_all([UserError(f"{path}: {k} is {settings[k]!r}", r) for k, r in remedies.items() if r], str(path))
    return settings


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "write it as text"


def _percent(value: Any) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return "" if whole and 0 <= value <= 100 else "use a whole number from 0 to 100"


# What to do about a setting that cannot be used, else ""; the others are text.
_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "genre_ratio": _percent,
    "tag_position": lambda value: "" if value in POSITIONS else f"use {', '.join(POSITIONS)}",
    "all_instrumental": lambda value: "" if value in (None, True, False) else "use true or false",
}


def _song(sample: dict[str, Any], path: Path) -> Song:
    song = Song(path=_resolve(sample["audio_path"], path.parent))
    if os.path.isfile(song.path):
        read_header(song)
    else:
        song.problems.append(Problem("the audio file is missing", f"correct its 'audio_path' in {path.name}"))
    origins = sample.get("sources") if isinstance(sample.get("sources"), dict) else {}
    for name in CHECKS:
        value = sample.get(name)
        placeholder = value == _UNKNOWN.get(name) and name not in origins
        if value not in (None, "") and not placeholder:
            song.set(name, value, path.name)
            song.sources[name] = origins.get(name, path.name)
    song.confidence = {k: v for k, v in confidences(sample.get("confidence")).items() if k in song.sources}
    reviewed = reviewed_fields(sample.get("reviewed"))
    song.reviewed = [n for n in CHECKS if n in reviewed and n in song.sources]
    song.custom_tag = str(sample.get("custom_tag") or "")
    song.prompt_override = _choice(song, sample, "prompt_override", OVERRIDES)
    song.repeats = 1 if sample.get("repeats") is None else sample["repeats"]
    if type(song.repeats) is not int or not 1 <= song.repeats <= MOST_REPEATS:
        song.problems.append(Problem(f"repeats is {song.repeats!r}", f"use a whole number from 1 to {MOST_REPEATS}"))
    song.split = _choice(song, sample, "split", (None, *SPLITS))
    return song


def _resolve(audio: str, folder: Path) -> Path:
    """Beside the dataset file first, as the reference's second trainer has it, else from the current folder."""
    beside = folder / audio
    return beside if os.path.isfile(beside) or not os.path.isfile(audio) else Path(audio)


def _choice(song: Song, sample: dict[str, Any], name: str, known: Sequence[str | None]) -> Any:
    value = sample.get(name) or None
    if value not in known:
        remedy = f"use {', '.join(k for k in known if k)} or null"
        song.problems.append(Problem(f"{name} is '{value}'", remedy))
    return value


def _sample(song: Song, all_instrumental: bool | None) -> dict[str, Any]:
    """AudioSample of the reference in its key order, then our fields."""
    says_voice = all_instrumental is False and not song.lyrics
    return {
        "id": song.id,
        "audio_path": str(song.path.resolve()),
        "filename": song.path.name,
        "caption": song.caption,
        "genre": song.genre,
        "lyrics": song.lyrics or INSTRUMENTAL,
        "raw_lyrics": song.lyrics,
        "formatted_lyrics": "",
        "bpm": song.bpm,
        "keyscale": song.keyscale,
        "timesignature": song.timesignature,
        "duration": int(song.duration_s),
        "language": song.language,
        "is_instrumental": song.instrumental and not says_voice,
        "custom_tag": song.custom_tag,
        "labeled": song.labelled,
        "prompt_override": song.prompt_override,
        "sources": song.sources,
        "confidence": song.confidence,
        "reviewed": song.reviewed,
        "split": song.split,
        "repeats": song.repeats,
    }
