"""Loudness of every semitone in every frame, by reassignment: energy goes to where its phase says it belongs.

Every octave has its own rate and the same window in samples, two cycles of the beat between its lowest semitones long.
Such a window smears what it sees over its own length and over its main lobe; the derivatives of its phase tell the
time and the frequency at which the energy really lies (Auger and Flandrin 1995), so that attacks and neighbouring
semitones stay apart.
"""

import numpy as np
from scipy.fft import next_fast_len, rfft
from scipy.ndimage import median_filter, uniform_filter1d
from scipy.signal import resample_poly

from acestep_core.audio import RATE_HZ
from acestep_core.parts import FRAME_RATE_HZ
from acestep_plugins.backends.note_bank.bank import Bank

TOP_RATE_HZ = 6000  # of the highest octave, or a multiple; each lower one has half of it
HIGHEST = 0.4  # of its rate is what a wave holds without loss
OCTAVE = 12
HOPS = 4  # of a window within a frame
LOBE = 2.2  # half of a Hann window's main lobe is 2 bins of its own length
LASTS, AROUND = 5, 9  # frames and semitones that tell notes from bursts
MOST_GAIN = 2.0  # of the short window over the long one
QUIET = 1e-12  # power below which phases are rounding


def tone_power(mono: np.ndarray, bank: Bank, frames: int) -> np.ndarray:
    """Squared amplitudes [frames, tones] of the semitones in a wave [S] at 48 kHz."""
    power = np.zeros((frames, bank.tones), np.float32)
    rate = TOP_RATE_HZ
    while bank.tone_hz[-1] > HIGHEST * rate:
        rate *= 2
    part = resample_poly(mono, 1, RATE_HZ // rate)
    for first in range(bank.tones - OCTAVE, -1, -OCTAVE):
        power[:, first : first + OCTAVE] = _octave(part, rate, bank, first, frames)
        rate, part = rate // 2, resample_poly(part, 1, 2)
    return power


def _octave(part: np.ndarray, rate: float, bank: Bank, first: int, frames: int) -> np.ndarray:
    hz = bank.tone_hz[first]
    size = round(bank.window_semitones * rate / (hz * (2 ** (1 / OCTAVE) - 1)))
    per_frame = rate // FRAME_RATE_HZ
    starts = np.floor((np.arange(frames * HOPS) + 0.5) * per_frame / HOPS - (size - 1) / 2).astype(int)
    centres = starts + (size - 1) / 2
    padded = np.pad(part, (size, size + per_frame * frames))
    slices = np.lib.stride_tricks.sliding_window_view(padded, size)[starts + size]
    length = next_fast_len(2 * size, real=True)
    low, high = (int(hz * 2 ** (edge / OCTAVE) / rate * length) for edge in (-1, OCTAVE))
    reach = int(np.ceil(LOBE * length / size))
    bins = np.arange(max(1, low - reach), min(length // 2, high + reach + 1))
    shift, spread, plain = _spectra(slices, size, length, bins)
    strength = np.abs(plain) ** 2
    weight = _tau_window(size)[0]
    strength *= 4 / (length * np.sum(weight**2) * HOPS)
    safe = np.where(strength > QUIET, plain, 1)
    moved = np.clip(np.real(shift / safe), -size / 2, size / 2)
    turned = -np.imag(spread / safe) * length / (2 * np.pi)
    frame = np.floor((centres[:, None] + moved) / per_frame).astype(int)
    band = np.rint(OCTAVE * np.log2(np.maximum(bins + turned, 1e-3) * rate / length / hz)).astype(int)
    good = (strength > QUIET) & (frame >= 0) & (frame < frames) & (band >= 0) & (band < OCTAVE)
    good &= np.abs(turned) < reach
    summed = np.bincount(frame[good] * OCTAVE + band[good], strength[good], frames * OCTAVE)
    return _in_time(summed.reshape(frames, OCTAVE), slices, length, bins, per_frame)


def _in_time(power: np.ndarray, slices: np.ndarray, length: int, bins: np.ndarray, per_frame: int) -> np.ndarray:
    """The same rising and falling as a window of a quarter of the length hears it: notes repeated fast stay apart."""
    size = slices.shape[1]
    short, near = size // 4, size // per_frame | 1
    window = np.zeros(size, np.float32)
    window[(size - short) // 2 :][:short] = _tau_window(short)[0]
    heard = np.abs(rfft(slices * window, length, axis=1)[:, bins]) ** 2
    heard = heard.sum(axis=1).reshape(len(power), HOPS).mean(axis=1)
    whole = power.sum(axis=1)
    # Running sums round to below zero.
    around, heard_around = (
        np.maximum(uniform_filter1d(x.astype(np.float64), near, mode="constant"), 0) for x in (whole, heard)
    )
    share = (heard * around + QUIET**2) / (whole * heard_around + QUIET**2)
    return power * np.minimum(share, MOST_GAIN)[:, None]


def _tau_window(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A Hann window, the same times its time in samples, and its derivative."""
    tau = np.arange(size) - (size - 1) / 2
    turn = 2 * np.pi / size
    plain = 0.5 + 0.5 * np.cos(turn * tau)
    return plain, plain * tau, -0.5 * turn * np.sin(turn * tau)


def _spectra(slices: np.ndarray, size: int, length: int, bins: np.ndarray) -> tuple[np.ndarray, ...]:
    plain, timed, derived = (rfft(slices * w.astype(np.float32), length, axis=1)[:, bins] for w in _tau_window(size))
    return timed, derived, plain


def kept_power(power: np.ndarray) -> np.ndarray:
    """Power [T, tones] without bursts, which are as strong in the bands around and shorter than a note."""
    lasting = median_filter(power, (LASTS, 1), mode="nearest")
    around = median_filter(power, (1, AROUND), mode="constant")  # a band at the edge is no neighbour of its own
    return power * (lasting**2 + QUIET**2) / (lasting**2 + around**2 + QUIET**2)
