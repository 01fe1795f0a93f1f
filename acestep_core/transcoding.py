"""Audio to the model's 5 Hz codes, and codes back to audio, without any generation in between."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.audio import SILENCE, read_stereo
from acestep_core.data import Problem
from acestep_core.errors import FatalError, OutOfMemory, UserError
from acestep_core.model import Model
from acestep_core.parts import HOP

if TYPE_CHECKING:
    import numpy as np

_GROUP = 32  # files between two changes of parts, where not all parts fit the device


@dataclass(frozen=True)
class Extracted:
    """The codes of one file, or why there are none."""

    path: Path
    codes: tuple[int, ...] = ()
    problem: Problem | None = None


def extract_codes(paths: Sequence[Path], model: Model, seed: int = 0) -> Iterator[Extracted]:
    """Each file's codes in turn, with the codec's sample drawn by `seed`; an unusable file costs no other.

    Raises `OutOfMemory` and `FatalError`, which every other file would meet as well.
    """
    group = _GROUP if model.one_at_a_time else 1
    for start in range(0, len(paths), group):
        codec = model.codec
        heard = [(p, _attempt(_latents, p, codec, seed)) for p in paths[start : start + group]]
        dit = model.dit
        for path, latents in heard:
            codes = latents if isinstance(latents, Problem) else _attempt(dit.codes, latents)
            yield Extracted(path, problem=codes) if isinstance(codes, Problem) else Extracted(path, tuple(codes))


def decode_codes(
    codes: Sequence[int], model: Model, on_frames: Callable[[int, int], None] = lambda done, total: None
) -> "np.ndarray":
    """The wave float32 [2, S] that the codec makes of codes, a fifth of a second each."""
    import numpy as np

    latents, pieces, done = model.dit.from_codes(codes), [], 0
    for piece in model.codec.pieces(latents):
        pieces.append(piece)
        done += piece.shape[1] // HOP
        on_frames(done, len(latents))
    return np.concatenate(pieces, axis=1)


def _latents(path: Path, codec: Any, seed: int) -> "np.ndarray":
    wave = read_stereo(path)
    if not wave.size or max(wave.max(), -wave.min()) < SILENCE:
        raise UserError("it is silent from start to end", "give another file")
    return codec.encode(wave, seed)


def _attempt(step: Callable[..., Any], *of: Any) -> Any:
    try:
        return step(*of)
    except (OutOfMemory, FatalError):
        raise
    except UserError as e:
        return Problem(e.problem, e.hint)
    except Exception as e:  # isolation wall: per-file loop
        return Problem(f"{type(e).__name__}: {e}", "report this if the file plays elsewhere")
