"""Pulses: a prior times autocorrelation times Fourier tempogram, then beats, then a line through the beats.

A pulse may be the beat, a part or a multiple of it: `readings` decides which.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from acestep_plugins.annotators.spectrum import Sound

SLOWEST, FASTEST, STEPS = 40.0, 240.0, 800  # BPM; steps of 0.2 %
PRIOR_OCTAVES = 0.8  # width of the log-normal prior; listeners' own is narrower (van Noorden and Moelants 1999)
WINDOW_S = 12.0  # of the tempograms: some twenty beats, in which live tempo hardly drifts
LEAST_PULSE = 0.005  # autocorrelation at the beat below which there is no beat at all
LEAST_ONSETS = 0.002  # mean log-magnitude rise above its surroundings; held tones and chords stay below
TIGHTNESS = 100.0  # of beats to the period; Ellis 2007
OFF_LINE = 0.15  # of a period: beats farther from the line do not shape it
TRUSTED = 0.04  # a line whose slope is farther from the tempogram's tempo than this is not believed
PULSES, WEAKEST = 3, 0.2  # how many are weighed, and the share of the first's strength that the others need
RELATED = (1.0, 2.0, 0.5, 3.0, 1 / 3, 1.5, 2 / 3, 4.0, 0.25)  # pulses that have their readings in common
REGULAR = 0.3  # autocorrelation of a pulse that is surely one; noise stays below 0.06


@dataclass(frozen=True)
class Pulse:
    """`beats` are times in seconds; `regularity` is from 0 to 1."""

    bpm: float
    beats: np.ndarray
    regularity: float


def grid() -> np.ndarray:
    return np.geomspace(SLOWEST, FASTEST, STEPS)


def find_pulses(sound: Sound, centre: float) -> list[Pulse]:
    """The strongest pulse, and those beside it that are no simple multiple of it; none where nothing pulses."""
    onsets = sound.onsets
    if onsets.mean() < LEAST_ONSETS:
        return []
    regular, fourier = tempograms(onsets, sound.rate_hz)
    strengths = np.maximum(regular, 0.0) * fourier * prior(grid(), centre)
    best = int(strengths.argmax())
    if regular[best] < LEAST_PULSE:
        return []
    regularity = float(min(1.0, np.sqrt(regular[best] / REGULAR)))
    return [_exact(sound, bpm, regularity) for bpm in _apart(strengths)]


def _apart(strengths: np.ndarray) -> list[float]:
    tempi: list[float] = []
    left = strengths.copy()
    while len(tempi) < PULSES and left.max() > WEAKEST * strengths.max():
        tempi.append(float(grid()[left.argmax()]))
        left[np.min([np.abs(np.log(grid() / (tempi[-1] * r))) for r in RELATED], axis=0) < 0.06] = 0.0
    return tempi


def _exact(sound: Sound, bpm: float, regularity: float) -> Pulse:
    beats = track_beats(sound.onsets, 60 * sound.rate_hz / bpm) / sound.rate_hz
    return Pulse(line_bpm(beats, bpm), beats, regularity)


def prior(bpm: np.ndarray | float, centre: float) -> np.ndarray:
    return np.exp(-0.5 * (np.log2(bpm / centre) / PRIOR_OCTAVES) ** 2)


def tempograms(onsets: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """(autocorrelation, Fourier magnitude) at the tempi of `grid()`, means over overlapping windows."""
    size = min(len(onsets), round(WINDOW_S * rate_hz))
    starts = range(0, max(len(onsets) - size, 0) + 1, max(1, size // 2))
    pairs = [_tempogram(onsets[s : s + size], rate_hz) for s in starts]
    weights = np.array([onsets[s : s + size].std() for s in starts])
    pulse, fourier = (np.average(rows, axis=0, weights=weights + 1e-9) for rows in zip(*pairs, strict=True))
    return pulse, fourier / max(fourier.max(), 1e-9)


def _tempogram(part: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    part = (part - part.mean()) / max(part.std(), 1e-9)
    size = next_fast_len(8 * len(part), real=True)  # padding interpolates between frequencies
    spectrum = np.abs(rfft(part * np.hanning(len(part)), size))
    lags = irfft(np.abs(rfft(part, 2 * len(part))) ** 2)[: len(part)]
    lags /= np.arange(len(part), 0, -1)  # each lag by the number of its terms
    beat_hz = grid() / 60
    pulse = np.interp(rate_hz / beat_hz, np.arange(len(lags)), lags)
    return pulse, np.interp(beat_hz, np.arange(len(spectrum)) * rate_hz / size, spectrum) / len(part)


def track_beats(onsets: np.ndarray, period: float) -> np.ndarray:
    """Frames of the beats whose onsets are strong and whose distances are near `period` frames (Ellis 2007)."""
    strength = onsets / max(onsets.std(), 1e-9)
    back = np.arange(-round(2 * period), -round(period / 2) + 1)
    cost = -TIGHTNESS * np.log(-back / period) ** 2
    reach = -back[0]
    score, before = np.zeros(reach + len(strength)), np.zeros(len(strength), int)
    for i, s in enumerate(strength):
        options = score[i : i + len(back)] + cost
        best = options.argmax()
        score[reach + i] = s + options[best]
        before[i] = i + back[best]
    last = len(strength) - 1 - int(score[reach:][::-1][: max(1, round(period))].argmax())
    beats = [last]
    while before[beats[-1]] >= 0:
        beats.append(before[beats[-1]])
    return np.array(beats[::-1])


def line_bpm(beats: np.ndarray, bpm: float) -> float:
    """The slope of the line through the beats in BPM; `bpm` itself where they lie on no line near it."""
    if len(beats) < 4:
        return bpm
    number = np.concatenate([[0], np.cumsum(np.maximum(1, np.round(np.diff(beats) * bpm / 60)))])
    slope, start = np.polyfit(number, beats, 1)
    near = np.abs(beats - start - slope * number) < OFF_LINE * 60 / bpm
    if near.sum() >= 4:
        slope, start = np.polyfit(number[near], beats[near], 1)
    return float(60 / slope) if abs(60 / slope / bpm - 1) < TRUSTED else bpm
