"""The rate of every step against the closed forms of the schedules."""

import math

import pytest

from acestep_core.rates import learning_rate, warmup_steps
from acestep_core.train_settings import TrainSettings


def rates(schedule, steps=100, warmup=10, **fields):
    settings = TrainSettings(steps=steps, learning_rate=2.0, warmup=warmup, schedule=schedule, **fields)
    return [learning_rate(settings, step) for step in range(1, steps + 1)]


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "restarts"])
def test_the_warm_up_rises_evenly_from_a_tenth_to_the_peak(schedule):
    expected = [2.0 * (0.1 + 0.9 * step / 10) for step in range(1, 11)]
    assert rates(schedule, cycles=3)[:10] == pytest.approx(expected)


def test_after_the_warm_up_constant_stays():
    assert set(rates("constant")[10:]) == {2.0}


def test_linear_falls_evenly_to_the_final_share():
    expected = [2.0 - 1.8 * i / 90 for i in range(1, 91)]
    assert rates("linear", final_rate=0.1)[10:] == pytest.approx(expected)


def test_cosine_falls_along_half_a_wave():
    expected = [2.0 * (0.01 + 0.99 * (1 + math.cos(math.pi * i / 90)) / 2) for i in range(1, 91)]
    assert rates("cosine")[10:] == pytest.approx(expected)
    assert rates("cosine")[-1] == pytest.approx(0.02)


def test_restarts_are_cosines_one_after_the_other():
    found = rates("restarts", steps=99, warmup=9, cycles=3, final_rate=0.0)[9:]
    one = [(1 + math.cos(math.pi * i / 30)) for i in range(30)]
    assert found == pytest.approx([*one[1:], *one, *one, 0.0])


@pytest.mark.parametrize(("warmup", "steps"), [(0, 0), (0.1, 20), (0.001, 1), (1, 1), (30, 30)])
def test_a_warm_up_is_a_share_below_1_and_steps_from_1(warmup, steps):
    assert warmup_steps(warmup, 200) == steps
