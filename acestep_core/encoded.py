"""Encoded songs on disk: one safetensors per song, and a manifest written last."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.data import MOST_REPEATS, Split
from acestep_core.errors import UserError
from acestep_core.files import text_id, write_arrays, write_json
from acestep_core.parts import EncodedSong

if TYPE_CHECKING:
    import numpy as np

FORMAT = "1"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class EncodedSet:
    """A folder of encoded songs whose encoding was completed."""

    folder: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> "EncodedSet":
        """Raises `UserError` if the folder was not encoded to the end, or a song's file is gone."""
        path = Path(folder) / MANIFEST
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            names = [s["file"] for s in manifest["songs"]]
            if not all(type(r) is int and 1 <= r <= MOST_REPEATS for r in map(_repeats, manifest["songs"])):
                raise ValueError("repeats are whole numbers")
        except FileNotFoundError:
            raise UserError(f"{folder} holds no {MANIFEST}", f"run: acestep-core encode SONGS --out {folder}") from None
        except (ValueError, KeyError, TypeError) as e:
            raise UserError(f"{path} is damaged ({e})", "encode again, nothing is encoded twice") from e
        if manifest.get("format") != FORMAT:
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
    def frames(self) -> list[int]:
        """The length of each song, out of the headers of their files."""
        return [_frames(self.folder / s["file"]) for s in self.manifest["songs"]]

    @property
    def inputs(self) -> str:
        """Names the audio and texts all songs were encoded from."""
        return text_id(*(s.get("inputs", s["id"]) for s in self.manifest["songs"]))

    def __len__(self) -> int:
        return len(self.manifest["songs"])

    def load(self, index: int) -> EncodedSong:
        entry = self.manifest["songs"][index]
        arrays, _ = read_song(self.folder / entry["file"])
        return EncodedSong(entry["id"], entry["name"], arrays["latents"], arrays["condition"])


def _repeats(entry: Mapping[str, Any]) -> int:
    return entry.get("repeats", 1)


def song_file(folder: Path, song_id: str) -> Path:
    return folder / f"{song_id}.safetensors"


def write_song(path: Path, latents: "np.ndarray", condition: "np.ndarray", header: Mapping[str, str]) -> None:
    """Arrays float32, latents [T, 64] and condition [L, width], both without padding."""
    write_arrays(path, {"latents": latents, "condition": condition}, {"format": FORMAT, **header})


def read_song(path: Path) -> "tuple[dict[str, np.ndarray], dict[str, str]]":
    """(arrays, header). Raises `UserError` for a damaged file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "np") as f:
            return {k: f.get_tensor(k) for k in ("latents", "condition")}, dict(f.metadata() or {})
    except (SafetensorError, OSError) as e:
        raise UserError(f"{path} is damaged ({e})", "delete it and encode again") from e


def _frames(path: Path) -> int:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "np") as f:
            return f.get_slice("latents").get_shape()[0]
    except (SafetensorError, OSError) as e:
        raise UserError(f"{path} is damaged ({e})", "delete it and encode again") from e


def read_header(path: Path) -> dict[str, str]:
    """What a song's file was made from; empty if there is no readable file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "np") as f:
            return dict(f.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def write_manifest(folder: Path, songs: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    write_json(folder / MANIFEST, {"format": FORMAT, **about, "songs": list(songs)})
