"""What a clip sounds like in a few numbers, so that a change of style can be read and not only heard."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

from acestep_core.audio import RATE_HZ

if TYPE_CHECKING:
    import numpy as np

_WINDOW, _HOP = 2048, 960
_FLOOR = 0.02  # of the loudest: what is 34 dB below is not heard
_RISE = 0.15  # nepers, averaged over the bands, from which on a note begins
_BANDS_HZ = (60, 120, 240, 480, 960, 1920, 3840, 7680, 15360)
_LOW_HZ, _HIGH_HZ = 250.0, 4000.0


@dataclass(frozen=True)
class Character:
    """`onsets_per_s`; `centre_hz`, the middle of the spectrum to the ear; shares of the amplitude below 250 Hz and
    above 4 kHz; `held`, how much of the loudness of a moment lasts for half a second.
    """

    onsets_per_s: float
    centre_hz: float
    low: float
    high: float
    held: float


NAMES = tuple(f.name for f in fields(Character))


def character(wave: "np.ndarray") -> Character:
    """Of a wave [channels, S] at 48 kHz that is not silent."""
    import numpy as np

    mono = np.pad(wave.mean(axis=0), _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW)[::_HOP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW)))
    hz = np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ)
    mean = spectrum.mean(axis=0)
    total = mean[1:].sum() + 1e-12
    edges = np.searchsorted(hz, _BANDS_HZ)
    bands = np.stack([spectrum[:, a:b].sum(axis=1) for a, b in zip(edges, edges[1:], strict=False)], axis=1)
    loud = np.log1p(bands / (_FLOOR * bands.max() + 1e-12))
    rise = np.maximum(loud[2:] - loud[:-2], 0).mean(axis=1)
    return Character(
        onsets_per_s=float(_peaks(rise) * RATE_HZ / (_HOP * len(rise))),
        centre_hz=float(np.exp((mean[1:] * np.log(hz[1:])).sum() / total)),
        low=float(mean[1:][hz[1:] < _LOW_HZ].sum() / total),
        high=float(mean[1:][hz[1:] > _HIGH_HZ].sum() / total),
        held=_held(loud.mean(axis=1)),
    )


def apart(one: Character, others: Sequence[Character]) -> float:
    """How far a clip is from some others: the mean over its numbers of the distance to theirs, in their spreads."""
    import numpy as np

    scale = np.array([_scaled(o) for o in others])
    spread = np.maximum(scale.std(axis=0), 0.1)
    return float((np.abs(np.array(_scaled(one)) - scale.mean(axis=0)) / spread).mean())


def _scaled(one: Character) -> tuple[float, ...]:
    """Each number on the scale on which it is heard: rates and frequencies by their octaves."""
    import math

    onsets, centre, *shares = astuple(one)
    return (math.log2(onsets + 0.5), math.log2(centre), *(2 * s for s in shares))


def _peaks(rise: "np.ndarray") -> int:
    inner = rise[1:-1]
    return int(((inner > rise[:-2]) & (inner >= rise[2:]) & (inner > _RISE)).sum())


def _held(loud: "np.ndarray") -> float:
    """Mean of the least loudness within the next half second over that of the moment."""
    import numpy as np

    length = RATE_HZ // (2 * _HOP)
    if len(loud) <= length:
        return 1.0
    least = np.lib.stride_tricks.sliding_window_view(loud, length).min(axis=1)
    return float(least.mean() / (loud[: len(least)].mean() + 1e-12))
