"""Pictures of sounds: each pitch stands at its height and its level, and a file is drawn whole or not at all."""

import numpy as np
import pytest

from acestep_core import UserError
from acestep_core.plots import check_picture, draw_sound
from acestep_core.spectrogram import envelope, spectrogram

RATE_HZ = 48_000


def sine(hz, seconds=4.0, peak=1.0):
    wave = peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    return np.stack([wave, wave]).astype(np.float32)


@pytest.mark.parametrize("hz", [55, 110, 440, 1000, 4000, 15_000])
def test_a_sine_stands_at_its_frequency_and_level(hz):
    level, edges = spectrogram(sine(hz, peak=0.1), RATE_HZ)
    middle = level[:, level.shape[1] // 2]
    loudest = int(middle.argmax())
    assert edges[loudest] - 8 < hz < edges[loudest + 1] + 8  # a window of 4096 samples tells pitches 12 Hz apart
    assert middle[loudest] == pytest.approx(-20, abs=2)


def test_a_sound_begins_where_it_begins_in_a_short_and_in_a_long_file():
    for seconds in (2.0, 90.0):
        wave = sine(1000, seconds)
        wave[:, : wave.shape[1] // 2] = 0
        level, _ = spectrogram(wave, RATE_HZ)
        loud = level.max(axis=0) > -40
        assert loud.mean() == pytest.approx(0.5, abs=0.05) and not loud[: len(loud) * 45 // 100].any()


def test_silence_and_very_short_sounds_can_be_drawn(tmp_path):
    assert (spectrogram(np.zeros((2, RATE_HZ), np.float32), RATE_HZ)[0] <= -100).all()
    draw_sound(sine(440, 0.01), tmp_path / "short.png")
    assert (tmp_path / "short.png").stat().st_size > 10_000


def test_the_envelope_has_every_peak_of_a_long_sound():
    wave = np.zeros((2, 100_003), np.float32)
    wave[0, 77_777], wave[1, 5] = 0.9, -0.7
    low, high = envelope(wave, 1000)
    assert high.shape == (2, 1000) and high[0].argmax() == 777 and high[0].max() == np.float32(0.9)
    assert low[1].argmin() == 0 and low[1].min() == np.float32(-0.7) and low[0].max() == 0


def test_a_picture_is_a_whole_png_of_a_file_with_any_name(tmp_path):
    from PIL import Image

    path = draw_sound(sine(440), tmp_path / "a.wav.png", "$\\frac{1 _a 東京.wav")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[0] > 600 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav.png"]


def test_a_folder_that_is_missing_is_told_before_anything_is_drawn(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        check_picture(tmp_path / "none" / "a.png")
