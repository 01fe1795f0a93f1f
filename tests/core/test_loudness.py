"""Loudness against the closed form of the recommendation, the test signals of EBU Tech 3341 and another library."""

import numpy as np
import pytest
import torch
from torchaudio.functional import loudness

from acestep_core.loudness import loudness_lufs

RATE_HZ = 48_000


def tone(*parts: tuple[float, float], hz: float = 1000.0) -> np.ndarray:
    """Stereo sine in stretches of (dBFS, seconds)."""
    amplitude = np.concatenate([np.full(round(s * RATE_HZ), 10 ** (db / 20)) for db, s in parts])
    wave = amplitude * np.sin(2 * np.pi * hz * np.arange(len(amplitude)) / RATE_HZ)
    return np.stack([wave, wave]).astype(np.float32)


@pytest.mark.parametrize("level", [0.0, -18.0, -23.0, -33.0, -60.0])
def test_a_sine_of_997_hz_in_both_channels_has_its_level_as_loudness(level):
    assert loudness_lufs(tone((level, 5), hz=997)) == pytest.approx(level, abs=0.01)


def test_a_full_sine_of_997_hz_in_one_channel_has_minus_3_01():
    """The sentence of BS.1770-4 by which meters are checked."""
    wave = tone((0, 5), hz=997)
    wave[1] = 0
    assert loudness_lufs(wave) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("parts", [
    ((-36, 10), (-23, 60), (-36, 10)),
    ((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)),
    ((-26, 20), (-20, 20.1), (-26, 20)),
])  # fmt: skip
def test_the_gates_pass_the_signals_of_ebu_tech_3341(parts):
    assert loudness_lufs(tone(*parts)) == pytest.approx(-23, abs=0.1)


def test_noise_is_as_loud_as_torchaudio_finds_it():
    random = np.random.default_rng(0)
    wave = np.concatenate([g * random.standard_normal((2, 4 * RATE_HZ)) for g in (0.02, 0.1, 0.005)], axis=1)
    wave[1] *= 0.5
    other = float(loudness(torch.from_numpy(wave), RATE_HZ))
    assert loudness_lufs(wave.astype(np.float32)) == pytest.approx(other, abs=0.1)


@pytest.mark.parametrize("wave", [np.zeros((2, 5 * RATE_HZ), np.float32), tone((-20, 0.39)), tone((-80, 3))])
def test_silence_and_what_is_too_short_have_no_loudness(wave):
    assert loudness_lufs(wave) is None


def test_measuring_in_pieces_equals_the_formula_on_the_whole():
    from scipy.signal import lfilter

    wave = np.random.default_rng(1).uniform(-0.2, 0.2, (2, 25 * RATE_HZ)).astype(np.float32)
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285], [1, -1.69065929318241, 0.73248077421585]
    high_pass = [1, -2, 1], [1, -1.99004745483398, 0.99007225036621]
    weighted = lfilter(*high_pass, lfilter(*shelf, wave.astype(np.float64)))
    starts = range(0, 25 * RATE_HZ - 19_200 + 1, 4800)
    powers = np.array([np.square(weighted[:, s : s + 19_200]).mean(axis=1).sum() for s in starts])
    assert loudness_lufs(wave) == pytest.approx(-0.691 + 10 * np.log10(powers.mean()), abs=1e-6)
