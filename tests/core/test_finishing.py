"""Level and fades of a clip: what is asked for is reached, or a note says what is heard instead; nothing is clipped."""

from types import SimpleNamespace

import numpy as np
import pytest

from acestep_core.finishing import faded, finished, lowered, normalise_loudness, normalise_peak
from acestep_core.loudness import loudness_lufs
from acestep_core.tasks import Text2Music

RATE_HZ = 48_000
PLAIN = {"duration_s": 5.0, "fade_in_s": 0.0, "fade_out_s": 0.0, "peak_db": -1.0, "loudness_lufs": None,
         "keep_level": False, "task": Text2Music()}  # fmt: skip


def sine(seconds=5.0, peak=0.5, hz=997.0):
    wave = peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    return np.stack([wave, -wave]).astype(np.float32)


def done(wave, **asked):
    return finished(wave, SimpleNamespace(**PLAIN | asked), None)


@pytest.mark.parametrize(("peak_db", "peak"), [(0.0, 1.0), (-1.0, 0.891251), (-20.0, 0.1)])
def test_the_peak_is_put_at_the_level_asked_for(peak_db, peak):
    quiet, loud = sine(1, 0.3)[0], sine(1, 0.7)[1]
    wave = normalise_peak(np.stack([quiet, loud]), peak_db)
    assert np.abs(wave).max() == pytest.approx(peak, abs=1e-5) and wave.dtype == np.float32
    np.testing.assert_allclose(wave[0] * 0.7, -wave[1] * 0.3, atol=1e-6)


def test_silence_stays_silence():
    silence = np.zeros((2, 5 * RATE_HZ), np.float32)
    assert not done(silence)[0].any() and done(silence)[1] == []
    assert not done(silence, loudness_lufs=-14)[0].any()
    assert normalise_peak(np.zeros((2, 0), np.float32), -1.0).shape == (2, 0)


def test_a_loudness_is_reached_by_one_gain():
    wave, notes = done(sine(peak=0.01), loudness_lufs=-20.0)
    assert loudness_lufs(wave) == pytest.approx(-20, abs=0.01) and notes == []
    np.testing.assert_allclose(wave, sine(peak=0.1), atol=2e-4)


@pytest.mark.parametrize("peak_db", [-1.0, 0.0, -6.0])
def test_where_the_peak_would_be_too_high_the_clip_is_quieter_and_a_note_says_so(peak_db):
    wave = sine(peak=0.02)
    wave[:, RATE_HZ] = 0.5
    made, notes = normalise_loudness(wave, -10.0, peak_db)
    assert np.abs(made).max() == pytest.approx(10 ** (peak_db / 20), rel=1e-5)
    (note,) = notes
    reached = loudness_lufs(made)
    assert reached < -20 and f"{reached:.1f} LUFS" in note and f"{peak_db:g} dBFS" in note
    np.testing.assert_allclose(made / made.max(), wave / wave.max(), atol=1e-6)


@pytest.mark.parametrize(("peak", "left"), [(0.4, 0.4), (3.0, 10 ** (-1 / 20))])
def test_what_is_too_short_to_measure_keeps_its_level_below_the_peak_and_a_note_says_so(peak, left):
    made, notes = normalise_loudness(sine(0.3, peak), -10.0, -1.0)
    assert np.abs(made).max() == pytest.approx(left, rel=1e-3) and "0.4 s" in notes[0]


def test_a_kept_level_is_kept_and_what_files_would_clip_is_told():
    wave, notes = done(sine(peak=0.3), keep_level=True, peak_db=None)
    assert np.array_equal(wave, sine(peak=0.3)) and notes == []
    wave, notes = done(sine(peak=2.0), keep_level=True, peak_db=None)
    assert np.array_equal(wave, sine(peak=2.0)) and "+6.0 dBFS" in notes[0]


def test_decoded_codes_above_full_scale_are_lowered_and_told():
    assert np.array_equal(lowered(sine(peak=0.3))[0], sine(peak=0.3)) and lowered(sine(peak=0.3))[1] == []
    wave, notes = lowered(sine(peak=2.0))
    assert np.abs(wave).max() == pytest.approx(1.0, rel=1e-6) and "+6.0 dBFS" in notes[0]


def test_fades_are_straight_lines_from_and_to_silence():
    wave = faded(np.ones((2, 4 * RATE_HZ), np.float32), 1.0, 2.0)
    at = lambda seconds: wave[:, round(seconds * RATE_HZ)]
    assert not wave[:, 0].any() and not wave[:, -1].any()
    for seconds, level in ((0.25, 0.25), (0.5, 0.5), (1.0, 1.0), (1.9, 1.0), (3.0, 0.5), (3.5, 0.25)):
        np.testing.assert_allclose(at(seconds), level, atol=1e-4)


def test_fades_leave_what_they_were_given_alone():
    whole = np.ones((2, RATE_HZ), np.float32)
    assert faded(whole, 0.0, 0.0) is whole
    faded(whole, 0.5, 0.0)
    assert (whole == 1).all()


def test_it_is_cut_and_faded_before_its_level_is_set():
    wave = sine(6.0, peak=0.1)
    wave[:, round(5.5 * RATE_HZ)] = 0.9  # behind the end
    wave[:, 0] = 0.8  # where the fade begins
    made, _ = done(wave, fade_in_s=0.5, fade_out_s=0.5)
    assert made.shape == (2, 5 * RATE_HZ)
    assert np.abs(made).max() == pytest.approx(10 ** (-1 / 20), rel=1e-5)
    assert np.abs(made[:, 2 * RATE_HZ : 3 * RATE_HZ]).max() > 0.88


def test_a_loudness_that_would_end_between_the_peak_asked_for_and_full_scale_is_held_too():
    wave, notes = normalise_loudness(sine(peak=0.1), -0.5, -1.0)
    assert np.abs(wave).max() == pytest.approx(10 ** (-1 / 20), rel=1e-5) and "-0.5 dBFS" in notes[0]
