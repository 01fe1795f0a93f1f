"""What an ear that knows no timbres hears of a wave: registers, how often and how hard notes begin in each, noise.

Everything is a ratio within the piece, coarse in loudness and in time, so that a codec or a model may change the sound
of the instruments without changing what is measured.
"""

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import uniform_filter1d

from acestep_core.errors import UserError

RATE_HZ = 48_000
WINDOW, HOP = 4096, 960  # 85 ms, and 50 frames a second
FRAME_HZ = RATE_HZ / HOP
LEAST_S = 4.0  # a bar of the slowest piece
BLOCK = 256  # frames per Fourier transform; bounds memory
# Registers of tones: bass, tenor, two of the middle, two of the bells. Above and below lie the drums.
REGISTERS_HZ = ((68, 140), (140, 250), (250, 420), (420, 750), (750, 1250), (1250, 2000))
GROUPS = ((0, 1), (2, 3), (4, 5))  # low, middle and high registers
NOISES_HZ = ((2400, 5000), (6000, 12_000))
BINS = round(NOISES_HZ[-1][1] * WINDOW / RATE_HZ) + 1
FLOOR = 0.02  # of the loudest frame: what is 34 dB below is not heard
SOUNDING = 0.1  # of the loudest partial of a frame, from which on a partial is counted


def magnitudes(wave: np.ndarray) -> np.ndarray:
    """[frames, bins up to 12 kHz] of a wave [2, S] or [S] at 48 kHz; a sine's peak is its amplitude.

    Raises `UserError` for one of less than `LEAST_S`.
    """
    mono = np.asarray(wave, np.float32)
    mono = mono.mean(axis=0) if mono.ndim == 2 else mono
    if len(mono) < LEAST_S * RATE_HZ:
        raise UserError(f"{len(mono) / RATE_HZ:.1f} s are too short to be judged", f"give at least {LEAST_S:.0f} s")
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    window *= 2 / window.sum()
    slices = np.lib.stride_tricks.sliding_window_view(np.pad(mono, WINDOW // 2), WINDOW)[::HOP]
    blocks = (slices[start : start + BLOCK] for start in range(0, len(slices), BLOCK))
    return np.concatenate([np.abs(rfft(block * window)[:, :BINS]) for block in blocks])


def style_features(spectrum: np.ndarray) -> np.ndarray:
    """Numbers that tell the styles apart, of `magnitudes`."""
    bands = np.stack([_level(spectrum, band) for band in REGISTERS_HZ], axis=1)
    shares = np.sqrt(np.mean(bands**2, axis=0))
    shares /= shares.sum() + 1e-9
    loud = np.log1p(bands / (FLOOR * bands.max() + 1e-9))
    rises = np.stack([_rise(loud[:, list(group)].mean(axis=1)) for group in GROUPS], axis=1)
    per_s = [_peaks(rises[:, i]) * FRAME_HZ / len(rises) for i in range(len(GROUPS))]
    together = np.corrcoef(rises.T + 1e-9 * np.arange(rises.shape[0]))
    steady = loud.std(axis=0) / (loud.mean(axis=0) + 0.1)
    return np.concatenate([
        np.log(shares + 0.01), np.log(np.array(per_s) + 0.5), np.log(rises.mean(axis=0) + 0.01),
        together[np.triu_indices(len(GROUPS), 1)], steady, _partials(spectrum), _threes(rises),
    ])  # fmt: skip


def drum_features(spectrum: np.ndarray) -> np.ndarray:
    """How far hisses rise above their own median, to the level of the tones; in both bands of noise."""
    tones = np.sqrt(np.mean(_level(spectrum, (68, 2000)) ** 2)) + 1e-9
    levels = [_level(spectrum, band) / tones for band in NOISES_HZ]
    return np.array([np.sqrt(np.percentile(level, q) - np.median(level)) for level in levels for q in (85, 97)])


def _level(spectrum: np.ndarray, band_hz: tuple[float, float]) -> np.ndarray:
    low, high = (round(hz * WINDOW / RATE_HZ) for hz in band_hz)
    return np.sqrt(np.sum(spectrum[:, low:high] ** 2, axis=1))


def _rise(loud: np.ndarray) -> np.ndarray:
    """Where it becomes louder, over two frames, above the mean of a second."""
    rise = np.maximum(loud[2:] - loud[:-2], 0.0)
    return np.maximum(rise - uniform_filter1d(rise, round(FRAME_HZ)), 0.0)


def _peaks(rise: np.ndarray) -> int:
    inner = rise[1:-1]
    return int(np.sum((inner > rise[:-2]) & (inner >= rise[2:]) & (inner > 0.1)))


def _partials(spectrum: np.ndarray) -> np.ndarray:
    """How many partials sound at once from 250 to 2000 Hz: their mean, and how much it varies."""
    low, high = (round(hz * WINDOW / RATE_HZ) for hz in (250, 2000))
    part = spectrum[:, low:high]
    inner = part[:, 1:-1]
    peak = (inner > part[:, :-2]) & (inner >= part[:, 2:]) & (inner > SOUNDING * part.max(axis=1, keepdims=True))
    heard = part.max(axis=1) > FLOOR * part.max()
    counts = peak.sum(axis=1)[heard] if heard.any() else np.zeros(1)
    return np.array([np.log1p(counts.mean()), counts.std() / 3])


def _threes(rises: np.ndarray) -> np.ndarray:
    """Bass, chord, chord: the middle begins a third and two thirds between the bass notes, and not with them."""
    low, middle = rises[:, 0], rises[:, 1]
    lags = np.arange(round(0.9 * FRAME_HZ), round(3.1 * FRAME_HZ))
    same = np.array([low[lag:] @ low[:-lag] for lag in lags]) / (low @ low + 1e-9)
    bar = int(lags[same.argmax()])
    thirds = [np.sum(low[: len(low) - bar] * np.roll(middle, -round(bar * k / 3))[: len(low) - bar]) for k in (0, 1, 2)]
    thirds = np.array(thirds) / (np.linalg.norm(low) * np.linalg.norm(middle) + 1e-9)
    return np.array([thirds[1], thirds[2], min(thirds[1], thirds[2]) - thirds[0]])
