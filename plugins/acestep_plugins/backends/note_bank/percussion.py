"""Loudness of the bands of noise: what comes suddenly and on all frequencies around, as harmonics do not.

After Fitzgerald 2010: a percussive sound is a ridge along frequency, a harmonic one a ridge along time.
"""

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import maximum_filter1d, median_filter
from scipy.signal import resample_poly

from acestep_core.audio import RATE_HZ
from acestep_core.parts import HOP
from acestep_plugins.backends.note_bank.bank import NOISES, Bank

WINDOW, PER_FRAME = 2048, 4  # 43 ms, every 10 ms
LOW_RATE_HZ, LOW_WINDOW = 1500, 120  # of the lowest band: 80 ms
EVEN = np.log(2)  # the median of noise over its mean: powers are distributed exponentially
NEIGHBOURS = 25  # bins, and moments, that a median looks at
KICK_FALL = 10.0  # times the power of a kick within the lowest band may lie above it
BEAT = 9  # frames that a kick does not fill by half
LOW_HZ = 130.0  # bursts of semitones below belong to the lowest band
SPLASH = 0.05  # of the power of a note that is struck lies beside its partials for a moment
CLEAR = 2.0  # times what lasts is what a burst has to exceed


def noise_power(mono: np.ndarray, bank: Bank, tones: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Mean squares [T, noises] of what is percussive in a wave [S] at 48 kHz.

    `tones` are the squared amplitudes of semitones [T, tones], and `kept` what of them are notes.
    """
    noise = _noise(_powers(mono, RATE_HZ, WINDOW, len(tones)))
    bands = [_summed(noise, band, RATE_HZ / WINDOW) for band in bank.noise_bands_hz[1:]]
    power = np.stack([_struck_low(mono, bank, len(tones)), *bands], axis=1)
    power = power.reshape(len(tones), PER_FRAME, NOISES).mean(axis=1)
    low = np.maximum(tones - kept, 0)[:, bank.tone_hz < LOW_HZ].sum(axis=1) / 2
    power[:, 0] = np.maximum(power[:, 0] - CLEAR * maximum_filter1d(kept @ _low_leak(bank) / 2, 3), 0)
    power[:, 0] += np.minimum(_struck(low, median_filter(low, BEAT, mode="nearest")), _near_kick(power[:, 0]))
    power[:, 1] = np.maximum(power[:, 1] - SPLASH * _attacks(kept), 0)
    return power


def _near_kick(power: np.ndarray) -> np.ndarray:
    """The most that a kick may have above the lowest band, through which it falls within three frames."""
    return KICK_FALL * maximum_filter1d(power, 5)


def _attacks(kept: np.ndarray) -> np.ndarray:
    """Mean square of the notes that begin in a frame or beside it."""
    loud = np.pad(np.sqrt(kept), ((2, 0), (0, 0)))
    rise = np.maximum(loud[2:] - np.minimum(loud[1:-1], loud[:-2]), 0)
    return maximum_filter1d((rise**2).sum(axis=1) / 2, 3)


def _powers(part: np.ndarray, rate: int, size: int, frames: int) -> np.ndarray:
    """Power spectra [frames * PER_FRAME, size / 2 + 1], whose sum is the mean square."""
    hop = HOP * rate // RATE_HZ // PER_FRAME
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    window *= np.float32(np.sqrt(2 / (size * np.sum(window**2))))
    padded = np.pad(part, (size, size + hop * PER_FRAME * frames))
    starts = size + np.arange(frames * PER_FRAME) * hop + (hop - size) // 2
    spectra = rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[starts] * window, axis=1)
    return spectra.real**2 + spectra.imag**2


def _noise(power: np.ndarray) -> np.ndarray:
    """Power of noise in each bin: what suddenly fills the gaps between partials."""
    gaps, held = _median(power, 1), _median(_held(power), 1)
    return _struck(gaps, held) / np.float32(EVEN)


def _struck(power: np.ndarray, held: np.ndarray) -> np.ndarray:
    return power * np.maximum(1 - (CLEAR * held / (power + np.float32(1e-20))) ** 2, 0)


def _held(power: np.ndarray) -> np.ndarray:
    """What lasts: the median of the time before, around or after, so that a held note is one from its first moment."""
    lasting = _median(power, 0)
    return maximum_filter1d(lasting, 2 * (NEIGHBOURS // 2) + 1, axis=0)


def _median(power: np.ndarray, axis: int) -> np.ndarray:
    """About the median of 25 neighbours: of five medians of five."""
    for step in (1, 5):
        power = _median_of_five(power, step, axis)
    return power


def _median_of_five(power: np.ndarray, step: int, axis: int) -> np.ndarray:
    width = [(0, 0), (0, 0)]
    width[axis] = (2 * step, 2 * step)
    padded, size = np.pad(power, width, mode="edge"), power.shape[axis]
    a, b, c, d, e = (np.take(padded, range(i * step, i * step + size), axis=axis) for i in range(5))
    a, b = np.minimum(a, b), np.maximum(a, b)
    d, e = np.minimum(d, e), np.maximum(d, e)
    low, high = np.maximum(a, d), np.minimum(b, e)  # neither the smallest nor the largest of the four
    return np.maximum(np.minimum(low, high), np.minimum(c, np.maximum(low, high)))


def _summed(power: np.ndarray, band_hz: tuple[float, float], bin_hz: float) -> np.ndarray:
    low, high = (round(hz / bin_hz) for hz in band_hz)
    return power[:, low:high].sum(axis=1)


def _struck_low(mono: np.ndarray, bank: Bank, frames: int) -> np.ndarray:
    """Power of the lowest band above what it has all the time."""
    part = resample_poly(mono, 1, RATE_HZ // LOW_RATE_HZ)
    power = _powers(part, LOW_RATE_HZ, LOW_WINDOW, frames)
    band = _summed(power, bank.noise_bands_hz[0], LOW_RATE_HZ / LOW_WINDOW)
    return _struck(band, _held(band[:, None])[:, 0])


def _low_leak(bank: Bank) -> np.ndarray:
    """Share of each semitone's power that the short window of the lowest band takes for its own."""
    window = np.hanning(LOW_WINDOW + 1)[:-1]
    times = np.arange(LOW_WINDOW) / LOW_RATE_HZ
    tones = np.sin(2 * np.pi * bank.tone_hz[:, None] * times) * window
    power = np.abs(rfft(tones, axis=1)) ** 2
    return _summed(power, bank.noise_bands_hz[0], LOW_RATE_HZ / LOW_WINDOW) / np.maximum(power.sum(axis=1), 1e-9)
