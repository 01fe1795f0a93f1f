"""Listens to songs as a machine can: decodes each to its end and measures what no header says.

A file that is cut off, silent or holds NaN is a problem, as it is to encode; everything else is a note.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core.audio import SILENCE, check_complete, decoded, probe, says_where_it_ends
from acestep_core.data import Problem, Song
from acestep_core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

WINDOW_S = 0.1
QUIET = 0.001  # -60 dBFS: a window whose samples all stay below is silent
FULL_SCALE = 32_766 / 32_768  # what 16-bit files clip at, a step of rounding allowed
RUN = 3  # samples in a row at full scale that no wave reaches unclipped
MOSTLY, LONG_SILENCE_S, MANY_RUNS, SAME = 0.5, 5.0, 10, 1e-6


@dataclass(frozen=True)
class Sound:
    """What was measured of one file. Shares are 0 to 1; `difference` and `sum` are the energies of L-R and L+R."""

    duration_s: float
    peak: float
    silent_share: float
    silent_start_s: float
    silent_end_s: float
    clipped_share: float
    clipped_runs: int
    channel_peaks: tuple[float, ...]
    difference: float
    sum: float
    says_end: bool = True


def inspect(path: Path) -> Sound:
    """Decode a file and measure it. Raises `UserError` if it is cut off, silent or holds NaN."""
    return _inspect(path, lambda: False)


def inspect_songs(
    songs: Sequence[Song], jobs: int | None = None, on_song: Callable[[Song, int, int], None] = lambda *done: None
) -> dict[Path, Sound]:
    """Add to songs without problems what listening to them finds; `on_song(song, number, total)` after each.

    `jobs` files are decoded at a time, as many as there are processors if it is None. Ctrl-C ends it at once.
    """
    found: dict[Path, Sound] = {}
    waiting = [s for s in songs if not s.problems]
    stop = threading.Event()
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        futures = {pool.submit(_attempt, song.path, stop.is_set): song for song in waiting}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                song, heard = futures[future], future.result()
                if isinstance(heard, Problem):
                    song.problems.append(heard)
                elif heard is not None:
                    found[song.path] = heard
                    song.notes += sound_notes(heard)
                on_song(song, number, len(waiting))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return {s.path: found[s.path] for s in waiting if s.path in found}


def sound_notes(sound: Sound) -> Iterator[str]:
    """What a person should know of a sound that can be used."""
    if sound.silent_share > MOSTLY:
        yield f"silent for {sound.silent_share:.0%} of its length"
    for where, seconds in (("begins", sound.silent_start_s), ("ends", sound.silent_end_s)):
        if seconds > LONG_SILENCE_S:
            yield f"{where} with {seconds:.1f} s of silence: cut it off"
    if sound.clipped_runs >= MANY_RUNS:
        yield (f"clipped: {sound.clipped_share:.2%} of its samples are at full scale, in {sound.clipped_runs} runs of "
               f"{RUN} or more")  # fmt: skip
    if len(sound.channel_peaks) == 2:
        yield from _channel_notes(sound)
    if not sound.says_end:
        yield "nothing in it says where it ends: it may be cut off"


def _channel_notes(sound: Sound) -> Iterator[str]:
    left, right = sound.channel_peaks
    if min(left, right) < SILENCE:
        yield f"its {'left' if left < right else 'right'} channel is silent"
    elif sound.difference <= SAME * sound.sum:
        yield "both channels are the same: it is mono in a stereo file"
    elif sound.sum <= SAME * sound.difference:
        yield "its channels are opposites that cancel out in mono: turn one of them over"


def _attempt(path: Path, stopped: Callable[[], bool]) -> Sound | Problem | None:
    try:
        return None if stopped() else _inspect(path, stopped)
    except UserError as e:
        return Problem(e.problem, e.hint)
    except OSError as e:
        return Problem(f"it cannot be opened ({e.strerror})", "check its permissions")
    except Exception as e:  # isolation wall: per-song loop
        return Problem(f"{type(e).__name__}: {e}", "report this if the file plays elsewhere")


def _inspect(path: Path, stopped: Callable[[], bool]) -> Sound:
    import numpy as np

    info = probe(path)
    meter = _Meter(info.rate_hz, info.channels)
    with closing(decoded(path, info)) as blocks:
        for block in blocks:
            if not np.isfinite(block).all():
                raise UserError("it holds NaN or infinite samples", "export it again from the original")
            meter.add(block[:, : info.channels])
            if stopped():
                break
    check_complete(meter.frames, info)
    if max(meter.peaks) < SILENCE:
        raise UserError("it is silent from start to end", "export it again, or leave it out")
    with path.open("rb") as file:
        return meter.sound(says_where_it_ends(file))


class _Meter:
    """Adds up blocks [S, channels]; each but the last is a whole number of windows."""

    def __init__(self, rate_hz: int, channels: int):
        self.rate_hz, self.frames, self.peaks = rate_hz, 0, [0.0] * channels
        self._window = max(1, round(rate_hz * WINDOW_S))
        self._silent: list[bool] = []
        self._clipped = self._runs = 0
        self._difference = self._sum = 0.0
        self._tail: np.ndarray | None = None

    def add(self, block: "np.ndarray") -> None:
        import numpy as np

        loud = np.abs(block)
        self.frames += len(block)
        self.peaks = [max(p, float(c)) for p, c in zip(self.peaks, loud.max(0), strict=True)]
        starts = np.arange(0, len(block), self._window)
        self._silent += (np.maximum.reduceat(loud.max(1), starts) < QUIET).tolist()
        self._count_clipped(loud >= FULL_SCALE)
        if block.shape[1] == 2:
            left, right = block[:, 0].astype(np.float64), block[:, 1].astype(np.float64)
            self._difference += float(np.square(left - right).sum())
            self._sum += float(np.square(left + right).sum())

    def _count_clipped(self, full: "np.ndarray") -> None:
        """Runs are counted where they begin; the last samples are looked at again with the next block."""
        import numpy as np

        self._clipped += int(full.sum())
        before = np.zeros((1, full.shape[1]), bool) if self._tail is None else self._tail
        joined = np.concatenate([before, full])
        if len(joined) > RUN:
            inside = joined[1:-2] & joined[2:-1] & joined[3:]  # RUN of them
            self._runs += int((inside & ~joined[:-3]).sum())
        self._tail = joined[-RUN:]

    def sound(self, says_end: bool) -> Sound:
        first = next((i for i, silent in enumerate(self._silent) if not silent), len(self._silent))
        last = next((i for i, silent in enumerate(reversed(self._silent)) if not silent), len(self._silent))
        return Sound(
            duration_s=self.frames / self.rate_hz,
            peak=max(self.peaks),
            silent_share=sum(self._silent) / max(1, len(self._silent)),
            silent_start_s=first * WINDOW_S,
            silent_end_s=last * WINDOW_S,
            clipped_share=self._clipped / max(1, self.frames * len(self.peaks)),
            clipped_runs=self._runs,
            channel_peaks=tuple(self.peaks),
            difference=self._difference,
            sum=self._sum,
            says_end=says_end,
        )
