"""Datasets for other programs: a table as Key-BPM-Finder writes it, and a folder for Hugging Face `datasets`."""

import csv
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.data import Problem, Song, usable
from acestep_core.dataset import Dataset
from acestep_core.errors import UserError
from acestep_core.files import content_id, write_text

Told = Callable[[int, int, str], None]


@dataclass
class Exported:
    """How many songs were written, and why others were not."""

    songs: int = 0
    problems: list[Problem] = field(default_factory=list)


def export(
    dataset: Dataset, out: str | Path, kind: str, *, link: bool = False, on_song: Told = lambda done, total, name: None
) -> Exported:
    """Write the usable songs to `out` as `kind` (see `FORMATS`). `link`: hard links in place of copies of audio.

    `on_song(done, total, name)` hears of every copied file. Raises `UserError` for an unknown kind or no song.
    """
    if kind not in FORMATS:
        raise UserError(f"There is no format '{kind}' to export", f"use {', '.join(FORMATS)}")
    if not usable(dataset.songs):
        raise UserError("There is no song to export", "see what scan says about each song")
    try:
        return FORMATS[kind](dataset, Path(out), link, on_song)
    except OSError as e:
        raise UserError(f"{e.filename or out} cannot be written ({e.strerror})", "give another --out") from e


def _csv(dataset: Dataset, out: Path, link: bool, on_song: Told) -> Exported:
    """Without a byte-order mark: the reference takes one for a part of the first column's name and reads nothing."""
    songs = usable(dataset.songs)
    count = Counter(s.path.name for s in songs)
    written = Exported()
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    table.writeheader()
    for song in songs:
        if count[song.path.name] > 1:
            several = f"several songs are named {song.path.name}, and a table names them by that alone"
            written.problems.append(Problem(f"{song.path}: {several}", "rename it, or export folder by folder"))
            continue
        table.writerow({column: value(song) for column, value in _COLUMNS.items()})
        written.songs += 1
    write_text(out, text.getvalue())
    return written


def camelot(keyscale: str) -> str:
    """The key's place on the Camelot wheel, such as 8A for A minor; "" if none is known.

    The wheel goes round by fifths: 8B is C major, and a minor key has the number of its relative major.
    """
    if not keyscale:
        return ""
    note, scale = keyscale.replace("♯", "#").replace("♭", "b").split()
    pitch = "C D EF G A B".index(note[0]) + note.count("#") - note.count("b")
    major = pitch if scale == "major" else pitch + 3
    return f"{(major * 7 + 7) % 12 + 1}{'B' if scale == 'major' else 'A'}"


_COLUMNS: Mapping[str, Callable[[Song], Any]] = {
    "File": lambda s: s.path.name,
    "Artist": lambda s: s.artist,
    "Title": lambda s: s.title,
    "BPM": lambda s: s.bpm,
    "Key": lambda s: s.keyscale,
    "Camelot": lambda s: camelot(s.keyscale),
    "Caption": lambda s: s.caption,
    "Genre": lambda s: s.genre,
    "TimeSignature": lambda s: s.timesignature,
    "Language": lambda s: "" if s.language == "unknown" else s.language,
}


def _audiofolder(dataset: Dataset, out: Path, link: bool, on_song: Told) -> Exported:
    """Folders `train` and `validation`, each with its audio and a metadata.jsonl, written last."""
    named = list(_named(dataset))
    for number, (song, _, file) in enumerate(named, 1):
        _place(song.path, out / file, link)
        on_song(number, len(named), song.path.name)
    for side in sorted({file.parent for _, _, file in named}):
        lines = [_line(s, prompt, file.name) for s, prompt, file in named if file.parent == side]
        write_text(out / side / "metadata.jsonl", "".join(lines))
    return Exported(len(named))


def _named(dataset: Dataset) -> Iterator[tuple[Song, str, Path]]:
    """Songs with their prompt and a name of their own in the folder of their side."""
    prompted = list(dataset.captions())
    count = Counter(s.path.name.casefold() for s, _ in prompted)
    for song, prompt in prompted:
        own = (
            song.path.name if count[song.path.name.casefold()] == 1 else f"{song.path.stem}-{song.id}{song.path.suffix}"
        )
        yield song, prompt, Path(song.split or "train") / own


def _place(source: Path, target: Path, link: bool) -> None:
    """Whole or not at all; what is there already is kept, so that a killed export is gone on with."""
    if target.is_file() and content_id(target) == content_id(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    (os.link if link else shutil.copyfile)(source, temporary)
    temporary.replace(target)


def _line(song: Song, prompt: str, name: str) -> str:
    fields: Sequence[str] = ("caption", "genre", "lyrics", "bpm", "keyscale", "timesignature", "language")
    record = {"file_name": name, "id": song.id, "title": song.title, "artist": song.artist, "prompt": prompt,
              **{f: getattr(song, f) for f in fields}, "duration_s": round(song.duration_s, 3)}  # fmt: skip
    return json.dumps(record, ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Callable[[Dataset, Path, bool, Told], Exported]] = {"csv": _csv, "audiofolder": _audiofolder}
