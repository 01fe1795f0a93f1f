"""Tempo: a prior times autocorrelation times Fourier tempogram, then beats, then a line through the beats."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from acestep_plugins.annotators.spectrum import Sound, loudest_near

SLOWEST, FASTEST, STEPS = 40.0, 240.0, 800  # BPM; steps of 0.2 %
PRIOR_OCTAVES = 0.8  # width of the log-normal prior; listeners' own is narrower (van Noorden and Moelants 1999)
WINDOW_S = 12.0  # of the tempograms: some twenty beats, in which live tempo hardly drifts
LEAST_PULSE = 0.08  # autocorrelation at the beat below which there is no beat to speak of
LEAST_ONSETS = 0.004  # mean log-magnitude rise above its surroundings; held tones and hiss stay below
TIGHTNESS = 100.0  # of beats to the period; Ellis 2007
OFF_LINE = 0.15  # of a period: beats farther from the line do not shape it
TRUSTED = 0.04  # a line whose slope is farther from the tempogram's tempo than this is not believed
RATIOS = (2.0, 0.5, 3.0, 1 / 3, 1.5, 2 / 3)


@dataclass(frozen=True)
class Tempo:
    """`beats` are times in seconds; `pulse` (autocorrelation) and `strengths` (all evidence) are over `grid()`."""

    bpm: float
    beats: np.ndarray
    pulse: np.ndarray
    strengths: np.ndarray

    @property
    def confidence(self) -> float:
        """How regular the pulse is, times the share of the evidence that this reading of it has."""
        share = 1 - sum(s for _, s in self.others(self.bpm))
        return float(np.clip(share * np.sqrt(max(at_tempo(self.pulse, self.bpm), 0.0)), 0, 1))

    def others(self, bpm: float) -> tuple[tuple[float, float], ...]:
        """Other readings of the pulse at `bpm` with their share of the evidence, the likeliest first."""
        inside = [bpm * r for r in RATIOS if SLOWEST <= bpm * r <= FASTEST]
        total = sum(at_tempo(self.strengths, b) for b in [bpm, *inside]) or 1.0
        return tuple(
            sorted(((round(b, 1), round(at_tempo(self.strengths, b) / total, 3)) for b in inside), key=lambda o: -o[1])
        )


def grid() -> np.ndarray:
    return np.geomspace(SLOWEST, FASTEST, STEPS)


def find_tempo(sound: Sound, centre: float) -> Tempo | None:
    """None where nothing pulses."""
    onsets = sound.onsets
    if onsets.mean() < LEAST_ONSETS:
        return None
    pulse, fourier = tempograms(onsets, sound.rate_hz)
    strengths = np.maximum(pulse, 0.0) * fourier * prior(grid(), centre)
    best = int(strengths.argmax())
    if pulse[best] < LEAST_PULSE:
        return None
    return tempo_at(sound, float(grid()[best]), pulse, strengths)


def onsets_within(sound: Sound, beats: np.ndarray, phases: tuple[float, ...]) -> list[float]:
    """Mean strength of the onsets at each phase (0 to 1) of the beats."""
    gaps = np.diff(beats)
    return [max(float(loudest_near(sound.onsets, sound.rate_hz, beats[:-1] + gaps * p).mean()), 1e-9) for p in phases]


def at_tempo(evidence: np.ndarray, bpm: float) -> float:
    """The best of what is found within 2 % of a tempo; 0 outside the grid."""
    return float(evidence[np.abs(np.log(grid() / bpm)) < 0.02].max(initial=0.0))


def tempo_at(sound: Sound, bpm: float, pulse: np.ndarray, strengths: np.ndarray) -> Tempo:
    """The tempo near `bpm`, made exact by its beats."""
    beats = track_beats(sound.onsets, 60 * sound.rate_hz / bpm) / sound.rate_hz
    return Tempo(line_bpm(beats, bpm), beats, pulse, strengths)


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
