"""What the ear gets: an onset envelope in two registers, and the loudest partials of each moment."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import maximum_filter1d, uniform_filter1d

SILENT_RMS = 1e-4  # -80 dBFS: below this there is noise, not music
LEVEL_RMS = 0.1  # every song is brought to this level, so that constants below mean the same for all
ONSET_WINDOW, ONSET_HOP = 1024, 256  # 46 ms, and 86 frames a second at 22 kHz
BANDS, LOWEST_HZ, HIGHEST_HZ = 40, 30.0, 10_000.0
LOW_BANDS = 2  # up to about 150 Hz: kick and bass, hardly snare and chords
HIGH_BANDS = 14  # from about 3.5 kHz: snare and cymbals
LOUDNESS = 1000.0  # log(1 + this times magnitude): quiet onsets count, noise below -60 dB does not
MEAN_S = 1.0  # onsets are compared with the second around them
PARTIAL_WINDOW, PARTIAL_HOP = 8192, 1024  # 0.37 s tells semitones apart from 90 Hz up; 21.5 frames a second
PARTIAL_HZ = (65.0, 2100.0)  # C2 to C7: below bins are too coarse, above partials are mostly overtones
PEAK_FLOOR = 0.01  # peaks 40 dB below the loudest of their frame are side lobes and noise
BLOCK = 512  # frames per Fourier transform; bounds memory


@dataclass(frozen=True)
class Sound:
    """`onsets` of all, low and high sounds [T] at `rate_hz`; partials, flat, in `frames` at `frame_hz`."""

    rate_hz: float
    onsets: np.ndarray
    low_onsets: np.ndarray
    high_onsets: np.ndarray
    frame_hz: float
    frames: int
    frame: np.ndarray
    pitch: np.ndarray
    weight: np.ndarray


def hear(wave: np.ndarray, rate_hz: int) -> Sound | None:
    """The sound of a wave [2, S]; None if it is silent or shorter than two windows (0.74 s)."""
    if wave.shape[1] < 2 * PARTIAL_WINDOW:
        return None
    mono = _mono(wave)
    rms = float(np.sqrt(np.mean(mono**2)))
    if rms < SILENT_RMS:
        return None
    mono = mono * np.float32(LEVEL_RMS / rms)
    onsets, low, high = _onsets(mono, rate_hz)
    frame, pitch, weight, frames = _partials(mono, rate_hz)
    return Sound(rate_hz / ONSET_HOP, onsets, low, high, rate_hz / PARTIAL_HOP, frames, frame, pitch, weight)


def _mono(wave: np.ndarray) -> np.ndarray:
    """The middle, or the left channel where the two cancel out."""
    middle = wave.mean(axis=0)
    return middle if np.mean(middle**2) > 0.01 * np.mean(wave[0] ** 2) else wave[0]


def _magnitudes(mono: np.ndarray, size: int, hop: int):
    """Blocks of magnitudes [n, size / 2 + 1]; frame i is centred on sample i * hop. A sine's peak is its amplitude."""
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    window *= 2 / window.sum()
    padded = np.pad(mono, size // 2)
    slices = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    for start in range(0, len(slices), BLOCK):
        yield np.abs(rfft(slices[start : start + BLOCK] * window))


def _onsets(mono: np.ndarray, rate_hz: int) -> list[np.ndarray]:
    bands = mel_bands(rate_hz, ONSET_WINDOW)
    loud = np.concatenate([np.log1p(LOUDNESS * (m @ bands)) for m in _magnitudes(mono, ONSET_WINDOW, ONSET_HOP)])
    rise = np.maximum(np.diff(loud, axis=0, prepend=loud[:1]), 0.0)
    span = round(MEAN_S * rate_hz / ONSET_HOP)
    return [_above_mean(part.mean(axis=1), span) for part in (rise, rise[:, :LOW_BANDS], rise[:, -HIGH_BANDS:])]


def _above_mean(envelope: np.ndarray, span: int) -> np.ndarray:
    return np.maximum(envelope - uniform_filter1d(envelope, span), 0.0).astype(np.float64)


def mel_bands(rate_hz: int, size: int) -> np.ndarray:
    """Triangles [size / 2 + 1, BANDS], evenly spaced in mel, each with sum 1."""
    edges = np.linspace(*(1127 * np.log1p(hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ)), BANDS + 2)
    edges = 700 * np.expm1(edges / 1127)
    hz = np.arange(size // 2 + 1)[:, None] * rate_hz / size
    width = np.maximum(np.diff(edges), rate_hz / size)
    rising, falling = (hz - edges[:-2]) / width[:-1], (edges[2:] - hz) / width[1:]
    shape = np.clip(np.minimum(rising, falling), 0, None)
    return (shape / np.maximum(shape.sum(axis=0), 1e-9)).astype(np.float32)


def _partials(mono: np.ndarray, rate_hz: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Frame number, MIDI pitch (69 = 440 Hz) and magnitude of every spectral peak, and the number of frames."""
    low, high = (round(hz * PARTIAL_WINDOW / rate_hz) for hz in PARTIAL_HZ)
    found, frames = [], 0
    for block in _magnitudes(mono, PARTIAL_WINDOW, PARTIAL_HOP):
        part = block[:, low - 1 : high + 1]
        row, column, offset, height = _peaks(part)
        pitch = 69 + 12 * np.log2((column + low - 1 + offset) * rate_hz / PARTIAL_WINDOW / 440)
        found.append((row + frames, pitch, height))
        frames += len(part)
    frame, pitch, weight = (np.concatenate(column) for column in zip(*found, strict=True))
    return frame, pitch, weight, frames


def _peaks(part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Row, column, offset in columns and height of local maxima, by a parabola through the logarithms."""
    inner = part[:, 1:-1]
    floor = PEAK_FLOOR * np.maximum(part.max(axis=1, keepdims=True), LEVEL_RMS * PEAK_FLOOR)
    row, column = np.nonzero((inner > part[:, :-2]) & (inner >= part[:, 2:]) & (inner > floor))
    left, mid, right = (np.log(part[row, column + i] + 1e-12) for i in range(3))
    offset = 0.5 * (left - right) / np.minimum(left - 2 * mid + right, -1e-9)
    return row, column + 1, offset, np.exp(mid)


def loudest_near(envelope: np.ndarray, rate_hz: float, times: np.ndarray) -> np.ndarray:
    """The largest value within two frames (23 ms) of each time in seconds."""
    wide = maximum_filter1d(envelope, 5)
    return wide[np.clip(np.round(times * rate_hz).astype(int), 0, len(wide) - 1)]
