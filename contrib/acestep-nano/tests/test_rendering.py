"""The sound is that of the notes: pitches, times, bands of the drums; stems add up; the same seed, the same bytes."""

import numpy as np
import pytest
from acestep_nano.composing import compose
from acestep_nano.pieces import STYLES
from acestep_nano.rendering import FLUTE, RATE_HZ, render, stems, tone


def power(wave: np.ndarray, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(wave)) ** 2
    hz = np.fft.rfftfreq(len(wave), 1 / RATE_HZ)
    return float(spectrum[(hz >= low_hz) & (hz < high_hz)].sum() / spectrum.sum())


@pytest.mark.parametrize("style", STYLES)
def test_stems_add_up_to_the_piece_with_headroom(style):
    piece = compose(3, style=style, drums=True)
    wave, parts = render(piece), stems(piece)
    assert wave.dtype == np.float32 and wave.shape == (2, round(piece.seconds * RATE_HZ))
    assert set(parts) == {"melody", "chords", "bass", "drums"}
    np.testing.assert_allclose(sum(parts.values()), wave, atol=1e-5)
    assert 0.1 < np.abs(wave).max() <= 0.9 and np.array_equal(wave[0], wave[1])
    assert all(bool(np.abs(parts[p]).max()) == any(n.part == p for n in piece.notes) for p in ("melody", "chords"))


def test_the_same_seed_is_the_same_bytes_and_drums_only_add():
    assert render(compose(5)).tobytes() == render(compose(5)).tobytes()
    assert not np.abs(stems(compose(5, drums=False))["drums"]).any()


@pytest.mark.parametrize("pitch", [36, 57, 69, 95])
def test_a_note_has_the_frequency_of_its_number(pitch):
    wave = tone(FLUTE, pitch, 2.0)
    peak = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() * RATE_HZ / len(wave)
    assert abs(12 * np.log2(peak / (440 * 2 ** ((pitch - 69) / 12)))) < 0.25


def test_tones_stay_below_2_khz_and_drums_in_their_bands():
    parts = stems(compose(9, style="chords", metre="4", drums=True))
    assert power(parts["chords"][0], 2100, 24_000) < 1e-3
    assert power(parts["drums"][0], 90, 1900) < 0.02
    assert power(parts["drums"][0], 20, 66) > 0.3 and power(parts["drums"][0], 5900, 12_100) > 1e-3


def test_what_is_heard_begins_when_the_note_does():
    piece = compose(2, style="waltz", drums=False, bpm=90)
    chords = np.abs(stems(piece)["chords"][0])
    first = min(n.start_s for n in piece.notes if n.part == "chords")
    assert abs(np.flatnonzero(chords > 0.2 * chords.max())[0] / RATE_HZ - first) < 0.02
