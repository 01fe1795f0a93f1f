"""A dataset: songs with their labels, from a folder or a dataset.json in the reference's schema."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from acestep_core.data import CHECKS, INSTRUMENTAL, Problem, Song, usable
from acestep_core.errors import UserError, raise_all
from acestep_core.files import decode_text, text_id, write_json
from acestep_core.prompts import tagged
from acestep_core.scan import TxtMeaning, mark_same_audio, read_header, scan_folder
from acestep_core.sidecars import confidences

# DatasetMetadata of the reference, acestep/training/dataset_builder_modules/models.py
_METADATA = {"name": "untitled", "custom_tag": "", "tag_position": "prepend", "created_at": "", "genre_ratio": 0}
_UNKNOWN = {"lyrics": INSTRUMENTAL, "language": "unknown"}  # what the reference writes where nothing is known
_POSITIONS = ("prepend", "append", "replace")


@dataclass
class Dataset:
    """Songs, problems of files that belong to no song, and dataset-wide settings (`metadata`)."""

    songs: list[Song] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=lambda: dict(_METADATA))
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def scan(cls, folder: str | Path, txt: TxtMeaning = "lyrics") -> "Dataset":
        """The songs of a folder; see `acestep_core.scan` for the files it reads."""
        found = scan_folder(Path(folder), txt)
        return cls(found.songs, dict(_METADATA) | {"name": Path(folder).resolve().name}, found.problems, found.notes)

    @classmethod
    def load(cls, path: str | Path) -> "Dataset":
        """A dataset.json of ours or the reference's. Raises `UserError` if it is none; bad samples become problems."""
        path = Path(path)
        content = _json_of(path)
        samples = content.get("samples") if isinstance(content, dict) else content
        if not isinstance(samples, list):
            raise UserError(f"{path} has no list 'samples'", "save it with 'acestep-core dataset save'")
        found = cls(metadata=_metadata(content, path))
        for number, sample in enumerate(samples, 1):
            found._add_sample(sample, number, path)
        mark_same_audio(found.songs)
        return found

    @classmethod
    def open(cls, source: str | Path, txt: TxtMeaning = "lyrics") -> "Dataset":
        """A folder is scanned, a .json file is loaded."""
        to_load = str(source).lower().endswith(".json") and not Path(source).is_dir()
        return cls.load(source) if to_load else cls.scan(source, txt)

    def save(self, path: str | Path) -> None:
        """Write the reference's schema plus `sources`, `confidence` and `reviewed`, which it ignores."""
        samples = [_sample(s) for s in usable(self.songs)]
        metadata = {
            "name": self.metadata["name"],
            "custom_tag": self.metadata["custom_tag"],
            "tag_position": self.metadata["tag_position"],
            "created_at": datetime.now().isoformat(timespec="seconds"),
            "num_samples": len(samples),
            "all_instrumental": all(s["is_instrumental"] for s in samples),
            "genre_ratio": self.metadata["genre_ratio"],
        }
        write_json(Path(path), {"metadata": metadata, "samples": samples})

    def captions(self) -> Iterator[tuple[Song, str]]:
        """Each usable song with the caption its prompt uses: caption or genre, with the trigger tag applied."""
        songs = usable(self.songs)
        drawn = sorted((text_id("genre", s.id), s.id) for s in songs)
        by_genre = {i for _, i in drawn[: int(len(songs) * self.metadata["genre_ratio"] / 100)]}
        for song in songs:
            choice = song.prompt_override or ("genre" if song.id in by_genre else "caption")
            text = song.genre if choice == "genre" and song.genre else song.caption
            tag = song.custom_tag or self.metadata["custom_tag"]
            yield song, tagged(text, tag, self.metadata["tag_position"])

    def _add_sample(self, sample: Any, number: int, path: Path) -> None:
        if not isinstance(sample, dict) or not isinstance(sample.get("audio_path"), str):
            self.problems.append(Problem(f"sample {number} of {path.name} has no 'audio_path'", "add it or delete it"))
            return
        song = Song(path=_resolve(sample["audio_path"], path.parent))
        _fill(song, sample, path.name)
        self.songs.append(song)


def _json_of(path: Path) -> Any:
    try:
        return json.loads(decode_text(path.read_bytes()))
    except FileNotFoundError:
        raise UserError(f"There is no file {path}", "write it with 'acestep-core dataset save'") from None
    except OSError as e:
        raise UserError(f"{path} cannot be read ({e.strerror})", "check its permissions") from None
    except UserError as e:
        raise UserError(f"{path} {e.problem}", "save it again as UTF-8") from None
    except (ValueError, RecursionError) as e:
        raise UserError(f"{path} is no valid JSON ({e})", "correct it or save the dataset again") from None


def _metadata(content: Any, path: Path) -> dict[str, Any]:
    """The settings in the file; what is missing or null is the default."""
    given = content.get("metadata") if isinstance(content, dict) else None
    given = given if isinstance(given, dict) else {}
    metadata = {k: default if given.get(k) is None else given[k] for k, default in _METADATA.items()}
    remedies = {k: _remedy(k, value) for k, value in metadata.items()}
    raise_all([UserError(f"{path}: {k} is {metadata[k]!r}", r) for k, r in remedies.items() if r], str(path))
    return metadata


def _remedy(key: str, value: Any) -> str:
    """What to do about a setting that cannot be used, else ""."""
    if key == "genre_ratio":
        return "" if isinstance(value, int) and 0 <= value <= 100 else "use a whole number from 0 to 100"
    if key == "tag_position":
        return "" if value in _POSITIONS else f"use {', '.join(_POSITIONS)}"
    return "" if isinstance(value, str) else "write it as text"


def _resolve(audio: str, folder: Path) -> Path:
    """Beside the dataset file first, as the reference's second trainer has it, else from the current folder."""
    beside = folder / audio
    return beside if os.path.isfile(beside) or not os.path.isfile(audio) else Path(audio)


def _fill(song: Song, sample: dict[str, Any], source: str) -> None:
    if os.path.isfile(song.path):
        read_header(song)
    else:
        song.problems.append(Problem("the audio file is missing", f"correct its 'audio_path' in {source}"))
    origins = sample.get("sources") if isinstance(sample.get("sources"), dict) else {}
    for name in CHECKS:
        value = sample.get(name)
        placeholder = value == _UNKNOWN.get(name) and name not in origins
        if value not in (None, "") and not placeholder:
            song.set(name, value, source)
            song.sources[name] = origins.get(name, source)
    song.confidence = {k: v for k, v in confidences(sample.get("confidence")).items() if k in song.sources}
    song.reviewed = sample.get("reviewed") is True
    song.custom_tag = str(sample.get("custom_tag") or "")
    song.prompt_override = sample.get("prompt_override")
    if song.prompt_override not in (None, "caption", "genre"):
        song.problems.append(Problem(f"prompt_override is '{song.prompt_override}'", "use caption, genre or null"))


def _sample(song: Song) -> dict[str, Any]:
    """AudioSample of the reference in its key order, then our fields."""
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
        "is_instrumental": song.instrumental,
        "custom_tag": song.custom_tag,
        "labeled": song.labelled,
        "prompt_override": song.prompt_override,
        "sources": song.sources,
        "confidence": song.confidence,
        "reviewed": song.reviewed,
    }
