"""The song a task works on and the sound whose timbre it takes: read, laid out, and put back around what was made."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.audio import RATE_HZ, probe, read_stereo
from acestep_core.codes import CODE_FRAMES, read_codes
from acestep_core.errors import UserError
from acestep_core.parts import FRAME_RATE_HZ, HOP, MIN_FRAMES
from acestep_core.tasks import Cover, Lego, Repaint, Task, Text2Music

if TYPE_CHECKING:
    import numpy as np

_SILENCE = 1e-6  # as the reference tells silence, handler/io_audio.py
_TIMBRE_S, _TIMBRE_PIECES = 30, 3  # a timbre reference is 10 s from each third of a sound, handler/io_audio.py


@dataclass(frozen=True)
class Region:
    """Seconds of the result that are made anew, and how much silence the song got before and behind it."""

    start_s: float
    end_s: float
    before_s: float = 0.0
    behind_s: float = 0.0


@dataclass(frozen=True)
class SourceSong:
    """A song at 48 kHz [2, S] with its latents float32 [T, 64]; `region` is None where all of it is made anew."""

    wave: "np.ndarray"
    latents: "np.ndarray"
    region: Region | None = None


def length_of(task: Task) -> float | None:
    """Seconds the task's result lasts; None where the request decides. Reads no more than a header."""
    if isinstance(task, Text2Music):
        return len(read_codes(task.codes)) * CODE_FRAMES / FRAME_RATE_HZ if task.codes else None
    duration = _duration(task.source)
    region = _region(task, duration)
    return duration + region.before_s + region.behind_s if region else duration


def read_source(task: Task, codec: Any, seed: int) -> SourceSong | None:
    """The task's song, with silence where it is to grow; None for a task without one."""
    import numpy as np

    if isinstance(task, Text2Music):
        return None
    wave = _sound(task.source)
    region = _region(task, wave.shape[1] / RATE_HZ)
    if region is not None:
        sides = [round(s * RATE_HZ) for s in (region.before_s, region.behind_s)]
        wave = np.pad(wave, ((0, 0), sides))
    return SourceSong(wave, codec.encode(wave, seed), region)


def read_timbre(path: Path, codec: Any, seed: int) -> "np.ndarray":
    """Latents float32 [750, 64]: ten seconds from each third of the sound, which is repeated if it is short."""
    import numpy as np

    wave = _sound(path)
    length = _TIMBRE_S * RATE_HZ
    wave = np.tile(wave, -(-length // wave.shape[1])) if wave.shape[1] < length else wave
    third, piece = wave.shape[1] // _TIMBRE_PIECES, length // _TIMBRE_PIECES
    draws = np.random.default_rng(seed).integers(0, third - piece + 1, _TIMBRE_PIECES)
    cut = [wave[:, n * third + at : n * third + at + piece] for n, at in enumerate(draws)]
    return codec.encode(np.concatenate(cut, axis=1), seed)


def context_of(task: Task, song: SourceSong | None, dit: Any, frames: int, whole_mask: bool = False) -> Any:
    """What the model is told of the source [T, 128]: latents, and where there is something to make.

    With `whole_mask` a region is not told but only left silent, which is what the reference does.
    """
    silence = dit.silence_frames(frames)
    if song is None:
        return (
            dit.text2music_context(frames)
            if not task.codes
            else _context(dit, dit.from_codes(read_codes(task.codes)), None, frames)
        )
    inside = None if song.region is None else inside_of(song.region, frames)
    if isinstance(task, Cover):
        return _context(dit, dit.hints(song.latents), None, frames)
    if isinstance(task, Repaint):
        import numpy as np

        kept = np.where(inside[:, None], dit.numpy(silence), fitted(song.latents, dit, frames))
        return _context(dit, kept, None if whole_mask else inside, frames)
    told = inside if isinstance(task, Lego) and not whole_mask else None
    return _context(dit, song.latents, told, frames)


def _context(dit: Any, latents: Any, inside: "np.ndarray | None", frames: int) -> Any:
    import numpy as np

    mask = np.ones((frames, 1), np.float32) if inside is None else inside[:, None].astype(np.float32)
    return dit.context(fitted(latents, dit, frames), mask)


def fitted(latents: Any, dit: Any, frames: int) -> "np.ndarray":
    """Latents of exactly that many frames: silence is added behind, or the rest left out."""
    import numpy as np

    array = latents if isinstance(latents, np.ndarray) else dit.numpy(latents)
    missing = frames - len(array)
    return array[:frames] if missing <= 0 else np.concatenate([array, dit.numpy(dit.silence_frames(missing))])


def inside_of(region: Region, frames: int) -> "np.ndarray":
    """bool [T]: which latent frames lie in the region."""
    import numpy as np

    first, last = (int(s * RATE_HZ) // HOP for s in (region.start_s, region.end_s))
    places = np.arange(frames)
    return (places >= first) & (places < last)


def frames_for(seconds: float) -> int:
    """Latent frames of a result, never below what the model can do."""
    return max(MIN_FRAMES, math.ceil(round(seconds * 1000) * FRAME_RATE_HZ / 1000))


def spliced(made: "np.ndarray", song: SourceSong, fade_s: float) -> "np.ndarray":
    """The made wave [2, S] in the region, the song's own outside it, with a linear ramp outside the region."""
    import numpy as np

    region, samples = song.region, np.arange(min(made.shape[1], song.wave.shape[1]))
    start, end, fade = (round(s * RATE_HZ) for s in (region.start_s, region.end_s, fade_s))
    away = np.maximum(start - samples, samples - (end - 1)).clip(0)
    share = (away == 0).astype(np.float32) if fade == 0 else (1 - away / (fade + 1)).clip(0, 1).astype(np.float32)
    silent_before, silent_behind = (
        round(region.before_s * RATE_HZ),
        song.wave.shape[1] - round(region.behind_s * RATE_HZ),
    )
    share[(samples < silent_before) | (samples >= silent_behind)] = 1  # there is nothing of the song to go back to
    return made[:, samples] * share + song.wave[:, samples] * (1 - share)


def _region(task: Task, duration: float) -> Region | None:
    """The task's region on the result's clock. Raises `UserError` for one that touches nothing."""
    if not isinstance(task, Repaint | Lego):
        return None
    end = duration if task.end == -1 else task.end
    before, behind = max(0.0, -task.start), max(0.0, end - duration)
    if task.start >= duration and not behind:
        raise UserError(f"The region starts at {task.start:g} s, the song ends at {duration:.2f} s", "correct --start")
    whole = isinstance(task, Lego) and task.start == 0 and task.end == -1
    return None if whole else Region(task.start + before, end + before, before, behind)


def _duration(source: Path) -> float:
    try:
        return probe(source).duration_s
    except UserError as e:
        raise UserError(f"{source}: {e.problem}", e.hint) from e


def _sound(path: Path) -> "np.ndarray":
    try:
        wave = read_stereo(path)
    except UserError as e:
        raise UserError(f"{path}: {e.problem}", e.hint) from e
    if not wave.size or max(wave.max(), -wave.min()) < _SILENCE:
        raise UserError(f"{path} is silent from start to end", "give another file")
    return wave
