"""Where encoded songs are put: our own format here, the reference's in `acestep_core.reference`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from acestep_core.data import Song
from acestep_core.encode_settings import Format
from acestep_core.encoded import write_manifest
from acestep_core.errors import UserError
from acestep_core.model import Model
from acestep_core.reference.store import ReferenceStore
from acestep_core.song_files import frames_of, read_header, read_latents, song_bytes, song_file

if TYPE_CHECKING:
    import numpy as np


class Store(Protocol):
    """A folder of encoded songs in one format."""

    def file(self, song_id: str) -> Path: ...

    def header(self, song_id: str) -> Mapping[str, str]:
        """What a song's file was made from; empty if there is none that can be used."""

    def latents(self, song_id: str) -> "np.ndarray":
        """Latents [T, 64] of a song that is there."""

    def frames(self, song_id: str) -> int:
        """The length of a song that is there."""

    def content(
        self, song: Song, caption: str, latents: "np.ndarray", conditions: "Mapping[str, np.ndarray]",
        header: Mapping[str, str],
    ) -> bytes:  # fmt: skip
        """What a song's file is to hold; the folder is not looked at."""

    def finish(self, entries: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
        """Write the manifest, which says that the folder is complete."""


class SafetensorsStore:
    """One safetensors file a song, with all its conditions."""

    def __init__(self, folder: Path):
        self._folder = folder

    def file(self, song_id: str) -> Path:
        return song_file(self._folder, song_id)

    def header(self, song_id: str) -> Mapping[str, str]:
        return read_header(self.file(song_id))

    def latents(self, song_id: str) -> "np.ndarray":
        return read_latents(self.file(song_id))

    def frames(self, song_id: str) -> int:
        return frames_of(self.file(song_id))

    def content(
        self, song: Song, caption: str, latents: "np.ndarray", conditions: "Mapping[str, np.ndarray]",
        header: Mapping[str, str],
    ) -> bytes:  # fmt: skip
        return song_bytes(latents, conditions, header)

    def finish(self, entries: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
        write_manifest(self._folder, entries, {k: v for k, v in about.items() if k != "dataset"})


def open_store(out: Path, format: Format, model: Model) -> Store:
    """The folder `out`, made if need be. Raises `UserError` if it holds the other format."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(f"{out} cannot be made a folder ({e.strerror})", "give another --out") from e
    other = "*.safetensors" if format == "reference" else "*.pt"
    if any(out.glob(other)):
        raise UserError(f"{out} holds songs in another format ({other})", "give another --out")
    return store_of(out, format, model)


def store_of(out: Path, format: Format, model: Model) -> Store:
    """As `open_store`, whatever is there."""
    return ReferenceStore(out, lambda: model.dit) if format == "reference" else SafetensorsStore(out)
