"""Sound of amplitudes: an oscillator for every semitone and shaped noise, each where absolute time puts it.

Phases and noise hang on the sample's number alone, so that pieces join as if they were made at once.
"""

import numpy as np
from scipy.fft import irfft

from acestep_core.audio import RATE_HZ
from acestep_core.parts import HOP
from acestep_plugins.backends.note_bank.bank import Bank
from acestep_plugins.backends.note_bank.envelopes import PARTS, envelopes

NOISE_FRAMES = 250  # after which the noise begins anew, without a seam
GOLDEN = 0.6180339887498949  # phases spread by it are as uneven as can be: few peaks
KNEE = 0.85  # full scale is approached from here up, not passed
PART = HOP // PARTS


class Synthesis:
    """Decodes frames of amplitudes; made once per bank."""

    def __init__(self, bank: Bank):
        turns = bank.tone_hz[:, None] * np.arange(PART) / RATE_HZ
        self._bank = bank
        self._waves = np.concatenate([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)]).astype(np.float32)
        self._noise = np.stack([_noise(bank, i) for i in range(len(bank.noise_bands_hz))])

    def wave(self, amplitudes: np.ndarray, first: int) -> np.ndarray:
        """Mono [T * 1920] of amplitudes [T + 5, 64]: those of frames `first` on and their `NEIGHBOURS`."""
        nodes = envelopes(amplitudes)
        levels = np.stack([nodes[:, :-1], nodes[:, 1:]]).reshape(2, -1, amplitudes.shape[1])
        tones = self._bank.tones
        parts = first * PARTS + np.arange(levels.shape[1])
        turns = np.outer(parts * PART / RATE_HZ, self._bank.tone_hz) + GOLDEN * np.arange(tones)
        angle = 2 * np.pi * (turns % 1.0)
        turned = levels[:, :, :tones] * np.cos(angle), levels[:, :, :tones] * np.sin(angle)
        begun, ended = np.concatenate(turned, axis=2).astype(np.float32) @ self._waves
        begun_noise, ended_noise = self._noises(levels[:, :, tones:], parts)
        begun, ended = begun + begun_noise, ended + ended_noise
        way = ((np.arange(PART) + 0.5) / PART).astype(np.float32)
        return _limited((begun + (ended - begun) * way).reshape(-1))

    def _noises(self, levels: np.ndarray, parts: np.ndarray) -> np.ndarray:
        turn = NOISE_FRAMES * PARTS
        noise = self._noise.reshape(len(self._noise), turn, PART)[:, parts % turn]
        return np.einsum("spb,bpn->spn", levels.astype(np.float32), noise)


def _noise(bank: Bank, number: int) -> np.ndarray:
    """A turn of noise with root mean square 1: flat in its band, phases from the seed."""
    size = NOISE_FRAMES * HOP
    low, high = (round(hz * size / RATE_HZ) for hz in bank.noise_bands_hz[number])
    # This generator's numbers are promised never to change.
    phases = 2 * np.pi * np.random.RandomState(bank.noise_seed + number).random_sample(high - low)
    spectrum = np.zeros(size // 2 + 1, np.complex64)
    spectrum[low:high] = np.exp(1j * phases) * size / np.sqrt(2 * (high - low))
    return irfft(spectrum, size).astype(np.float32)


def _limited(wave: np.ndarray) -> np.ndarray:
    over = np.maximum(np.abs(wave) - KNEE, 0.0)
    return np.where(over > 0, np.sign(wave) * (KNEE + (1 - KNEE) * np.tanh(over / (1 - KNEE))), wave).astype(np.float32)
