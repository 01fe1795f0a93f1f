"""Samples on disk: which count, and how far they are from the model alone."""

import json

import numpy as np
import pytest
from synthetic_run import write_samples

from acestep_core.samples.stored import folder_of, stored_samples, wave_difference_db

RATE_HZ = 48_000


def noise(seed=0, seconds=1.0):
    return (0.1 * np.random.default_rng(seed).standard_normal((2, int(RATE_HZ * seconds)))).astype(np.float32)


def test_the_difference_is_that_of_the_levels():
    wave = noise()
    assert wave_difference_db(wave, wave) == 0
    assert wave_difference_db(wave, 2 * wave) == pytest.approx(20 * np.log10(2), abs=0.01)
    assert wave_difference_db(wave, -wave) == pytest.approx(0, abs=1e-4)
    assert 3 < wave_difference_db(noise(1), noise(2)) < 10
    assert wave_difference_db(np.zeros((2, RATE_HZ), np.float32), np.zeros((2, RATE_HZ), np.float32)) == 0


def test_what_is_far_below_the_loudest_plays_no_part():
    t = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 1000 * t).astype(np.float32)[None].repeat(2, axis=0)
    assert wave_difference_db(tone, tone + 1e-5 * noise()) < 0.05


def test_lengths_may_differ():
    wave = noise(seconds=1.2)
    assert wave_difference_db(wave, wave[:, :RATE_HZ]) == 0


def test_samples_are_found_by_number_then_step(tmp_path):
    write_samples(tmp_path, {1: {0: None, 20: 2.5, 5: 1.0}, 2: {0: None, 20: 3.0}})
    found = [(s.number, s.step, s.difference_db) for s in stored_samples(tmp_path)]
    assert found == [(1, 0, None), (1, 5, 1.0), (1, 20, 2.5), (2, 0, None), (2, 20, 3.0)]


def test_what_is_half_written_strange_or_of_another_prompt_does_not_count(tmp_path):
    write_samples(tmp_path, {1: {0: None, 5: 1.0, 6: 1.0, 7: 1.0, 8: "<b>"}, 2: {5: 1.0}})
    (folder_of(tmp_path, 5) / "01.flac").unlink()
    (folder_of(tmp_path, 6) / "01.flac.json").write_text('{"request": ')
    other = folder_of(tmp_path, 7) / "01.flac.json"
    other.write_text(json.dumps({**json.loads(other.read_text()), "request": {"caption": "another"}}))
    (folder_of(tmp_path, 8) / "notes.flac").write_text("mine")
    assert [(s.step, s.difference_db) for s in stored_samples(tmp_path)] == [(0, None), (8, None)]
    assert stored_samples(tmp_path / "none") == []
