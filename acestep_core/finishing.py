"""The last steps of a clip: cut to length, put back into its song, faded, and brought to its level.

Nothing is clipped here. Where the level asked for cannot be had, the clip is quieter and a note says so.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from acestep_core.audio import RATE_HZ
from acestep_core.errors import UserError
from acestep_core.loudness import loudness_lufs
from acestep_core.source import SourceSong, spliced
from acestep_core.tasks import Repaint

if TYPE_CHECKING:
    import numpy as np

PEAK_DB = -1.0  # unless another is asked for, as the reference has it


def finished(wave: "np.ndarray", request: Any, song: SourceSong | None) -> "tuple[np.ndarray, list[str]]":
    """The wave [2, S] as the resolved request wants it heard, and notes of what could not be had."""
    wave = wave[:, : round(request.duration_s * RATE_HZ)]
    if isinstance(request.task, Repaint) and request.task.repaint_mode != "aggressive":
        wave = spliced(wave, song, request.task.fade_s)
    wave = faded(wave, request.fade_in_s, request.fade_out_s)
    if request.keep_level:
        return wave, _over(wave)
    if request.loudness_lufs is None:
        return normalise_peak(wave, request.peak_db), []
    return normalise_loudness(wave, request.loudness_lufs, request.peak_db)


def level_problems(request: Any) -> Iterator[UserError]:
    """What contradicts itself, of a request as it was asked."""
    if request.keep_level:
        for name in ("peak_db", "loudness_lufs"):
            if getattr(request, name) is not None:
                flag = name.replace("_", "-")
                yield UserError(f"--{flag} does nothing with --keep-level", "leave one of them out")


def fade_problems(request: Any) -> Iterator[UserError]:
    """What does not fit into the length of a resolved request."""
    fades = request.fade_in_s + request.fade_out_s
    if fades > request.duration_s:
        problem = f"The fades take {fades:g} s, the clip lasts {request.duration_s:g} s"
        yield UserError(problem, "shorten --fade-in or --fade-out")


def faded(wave: "np.ndarray", in_s: float, out_s: float) -> "np.ndarray":
    """The wave [2, S] with linear ramps from and to silence; its first and last sample are silent."""
    import numpy as np

    shaped = wave.copy() if in_s or out_s else wave
    for seconds, view in ((in_s, shaped), (out_s, shaped[:, ::-1])):
        length = min(round(seconds * RATE_HZ), wave.shape[1])
        view[:, :length] *= np.arange(length, dtype=np.float32) / max(1, length)
    return shaped


def normalise_peak(wave: "np.ndarray", peak_db: float) -> "np.ndarray":
    """The wave scaled so that its highest sample is at `peak_db` dBFS; silence stays silence."""
    import numpy as np

    peak = _peak(wave)
    return wave if peak == 0.0 else wave * np.float32(10 ** (peak_db / 20) / peak)


def normalise_loudness(wave: "np.ndarray", lufs: float, peak_db: float) -> "tuple[np.ndarray, list[str]]":
    """The wave at an integrated loudness (ITU-R BS.1770), and a note where `peak_db` keeps it quieter.

    What has no loudness, being silent or shorter than 0.4 s, keeps its level, or is lowered to `peak_db`.
    """
    import numpy as np

    found = loudness_lufs(wave)
    if found is None:
        lowered = normalise_peak(wave, peak_db) if _peak(wave) > 10 ** (peak_db / 20) else wave
        return lowered, ["no loudness can be measured of silence or less than 0.4 s: the level was left as it is"]
    would_be_db = _decibels(_peak(wave)) + lufs - found
    if would_be_db <= peak_db:
        return wave * np.float32(10 ** ((lufs - found) / 20)), []
    reached = lufs - (would_be_db - peak_db)
    note = f"at {lufs:g} LUFS the loudest sample would be at {would_be_db:+.1f} dBFS: the clip has {reached:.1f} LUFS"
    return normalise_peak(wave, peak_db), [f"{note} and its peak is at {peak_db:g} dBFS"]


def lowered(wave: "np.ndarray") -> "tuple[np.ndarray, list[str]]":
    """The wave, lowered to full scale with a note where its samples are above it."""
    peak = _peak(wave)
    if peak <= 1:
        return wave, []
    return normalise_peak(wave, 0.0), [f"the loudest sample was at {_decibels(peak):+.1f} dBFS: it was lowered to 0"]


def _over(wave: "np.ndarray") -> list[str]:
    peak = _peak(wave)
    return [] if peak <= 1 else [f"the loudest sample is at {_decibels(peak):+.1f} dBFS: all files but float32 clip it"]


def _peak(wave: "np.ndarray") -> float:
    return float(max(wave.max(), -wave.min())) if wave.size else 0.0


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude)
