"""A folder of encoded songs: one file per song, and a manifest written last.

A folder of the reference's .pt files opens as one, too; so do folders that an older version encoded.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from acestep_core.data import MOST_REPEATS, Split
from acestep_core.errors import UserError
from acestep_core.files import text_id, write_json
from acestep_core.jobs import EncodedSong, Showing, SongSize
from acestep_core.reference import tensors
from acestep_core.showing import View, drawn, longest, measured
from acestep_core.song_files import FORMAT, frames_of, read_song, tokens_of

MANIFEST = "manifest.json"
_READ = (FORMAT, "1")  # of which songs have one condition and are always whole


@dataclass(frozen=True)
class EncodedSet:
    """A folder of encoded songs whose encoding was completed."""

    folder: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> "EncodedSet":
        """Raises `UserError` if the folder was not encoded to the end, or a song's file is gone."""
        path = Path(folder) / MANIFEST
        if tensors.are_in(Path(folder)):
            return cls(Path(folder), tensors.manifest_of(Path(folder)))
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            names = [s["file"] for s in manifest["songs"]]
            for entry in manifest["songs"]:
                _check(entry)
        except FileNotFoundError:
            raise UserError(f"{folder} holds no {MANIFEST}", f"run: acestep-core encode SONGS --out {folder}") from None
        except (ValueError, KeyError, TypeError) as e:
            raise UserError(f"{path} is damaged ({e})", "encode again, nothing is encoded twice") from e
        if manifest.get("format") not in _READ:
            raise UserError(f"{path} has format {manifest.get('format')}, not {FORMAT}", "encode again")
        missing = [n for n in names if not (Path(folder) / n).is_file()]
        if missing:
            raise UserError(f"{folder} lacks {', '.join(missing)}", "encode again, only these are done")
        if not names:
            raise UserError(f"{folder} holds no encoded song", "see what encode said about each song")
        return cls(Path(folder), manifest)

    def part(self, split: Split) -> "EncodedSet":
        """Its songs for training or for validation; a song of which nothing was said is trained on."""
        songs = [s for s in self.manifest["songs"] if (s.get("split") or "train") == split]
        return EncodedSet(self.folder, {**self.manifest, "songs": songs})

    @property
    def foreign(self) -> bool:
        """Whether these are the reference's files, which say nothing of the model that made them."""
        return self.manifest.get("format") == "reference"

    @property
    def names(self) -> Sequence[str]:
        return [s["name"] for s in self.manifest["songs"]]

    @property
    def ids(self) -> list[str]:
        return [s["id"] for s in self.manifest["songs"]]

    @property
    def order(self) -> Sequence[int]:
        """The index of each song, as often as one epoch shows it: 0, 1, 1, 1, 2."""
        return [i for i, song in enumerate(self.manifest["songs"]) for _ in range(_repeats(song))]

    @property
    def triggers(self) -> list[str]:
        """The tags that call for what is learnt; older folders and the reference's do not say them."""
        return [str(tag) for tag in self.manifest.get("triggers", [])]

    @property
    def inputs(self) -> str:
        """Names the audio and texts all songs were encoded from."""
        return text_id(*(s.get("inputs", s["id"]) for s in self.manifest["songs"]))

    @property
    def hash(self) -> str:
        """As `inputs`, whatever the songs are called and their order is."""
        return text_id(*sorted(s.get("inputs", s["id"]) for s in self.manifest["songs"]))

    def __len__(self) -> int:
        return len(self.manifest["songs"])

    def load(self, index: int) -> EncodedSong:
        """A song as it is measured, the same whenever it is asked for."""
        entry = self.manifest["songs"][index]
        return self._seen(entry, measured(entry, self._length(index)))

    def shown(self, showing: Showing, seed: int) -> EncodedSong:
        """A song as one showing has it: under one of its prompts, and whole or a part. Only that is read."""
        entry = self.manifest["songs"][showing.song]
        return self._seen(entry, drawn(entry, self._length(showing.song), showing, seed))

    def frames(self, showing: Showing, seed: int) -> int:
        """How many frames `shown` has."""
        return drawn(self.manifest["songs"][showing.song], self._length(showing.song), showing, seed).frames

    def largest(self, index: int) -> SongSize:
        """A song as large as it is ever shown, out of its file's header."""
        entry = self.manifest["songs"][index]
        path = self.folder / entry["file"]
        tokens = tensors.tokens_of(path) if tensors.is_one(path) else tokens_of(path)
        return SongSize(longest(entry, self._length(index)), tokens)

    def _seen(self, entry: Mapping[str, Any], view: View) -> EncodedSong:
        path = self.folder / entry["file"]
        read = tensors.read_song if tensors.is_one(path) else read_song
        latents, condition = read(path, view.condition, view.start, view.frames)
        return EncodedSong(entry["id"], entry["name"], latents, condition, entry.get("weight", 1.0))

    def _length(self, index: int) -> int:
        entry = self.manifest["songs"][index]
        return entry["frames"] if "frames" in entry else _frames_of(self.folder / entry["file"])


_frames_of = cache(frames_of)  # older manifests do not say it


def _check(entry: Mapping[str, Any]) -> None:
    """Raises `ValueError`, `KeyError` or `TypeError` for an entry that nothing of ours has written."""
    if not (type(_repeats(entry)) is int and 1 <= _repeats(entry) <= MOST_REPEATS):
        raise ValueError("repeats are whole numbers")
    weights = [p["weight"] for p in entry.get("prompts", [{"weight": 1.0}])]
    if not weights or not all(w >= 0 for w in [*weights, entry.get("weight", 1.0)]):
        raise ValueError("weights are numbers from 0")
    lengths = [entry.get("frames", 1), entry.get("crop", {"frames": 1})["frames"]]
    if not all(type(n) is int and n >= 1 for n in lengths) or not entry.get("crop", {"share": 0})["share"] <= 1:
        raise ValueError("lengths are whole numbers of frames, shares at most 1")


def _repeats(entry: Mapping[str, Any]) -> int:
    return entry.get("repeats", 1)


def write_manifest(folder: Path, songs: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    write_json(folder / MANIFEST, {"format": FORMAT, **about, "songs": list(songs)})
