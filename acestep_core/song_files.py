"""One encoded song on disk: its latents and a condition for each prompt, in one safetensors file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core.errors import UserError
from acestep_core.files import array_bytes

if TYPE_CHECKING:
    import numpy as np

FORMAT = "2"
LATENTS = "latents"


def song_file(folder: Path, song_id: str) -> Path:
    return folder / f"{song_id}.safetensors"


def song_bytes(latents: "np.ndarray", conditions: "Mapping[str, np.ndarray]", header: Mapping[str, str]) -> bytes:
    """The content of a song's file: float32, latents [T, 64] and conditions [L, width] by name, without padding."""
    return array_bytes({LATENTS: latents, **conditions}, {"format": FORMAT, **header})


def read_song(path: Path, condition: str, start: int = 0, frames: int | None = None) -> "tuple[np.ndarray, np.ndarray]":
    """(latents, condition): only what is asked for is read. Raises `UserError` for a damaged file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "np") as f:
            end = None if frames is None else start + frames
            return f.get_slice(LATENTS)[start:end], f.get_tensor(condition)
    except (SafetensorError, OSError) as e:
        raise UserError(f"{path} is damaged ({e})", "delete it and encode again") from e


def read_latents(path: Path) -> "np.ndarray":
    """Latents [T, 64] of a whole song."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "np") as f:
            return f.get_tensor(LATENTS)
    except (SafetensorError, OSError) as e:
        raise UserError(f"{path} is damaged ({e})", "delete it and encode again") from e


def frames_of(path: Path) -> int:
    """The length of a song, out of the header of its file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "np") as f:
            return f.get_slice(LATENTS).get_shape()[0]
    except (SafetensorError, OSError) as e:
        raise UserError(f"{path} is damaged ({e})", "delete it and encode again") from e


def tokens_of(path: Path) -> int:
    """The length of a song's longest condition, out of the header of its file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "np") as f:
            return max(f.get_slice(k).get_shape()[0] for k in f.keys() if k != LATENTS)  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as e:
        raise UserError(f"{path} is damaged ({e})", "delete it and encode again") from e


def read_header(path: Path) -> dict[str, str]:
    """What a song's file was made from; empty if there is no readable file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "np") as f:
            return dict(f.metadata() or {})
    except (SafetensorError, OSError):
        return {}
