"""Where d has come to rest, on curves made by hand."""

import math
import random

import pytest

from acestep_core.plateau import Point, Rule, judged

RULE = Rule(first=1e-6, window=50, rise=0.05, most_steps=400)


def curve(rate, loss=lambda step: 1.0, steps=400):
    return [Point(step, rate(step), loss(step)) for step in range(1, steps + 1)]


def risen(plateau, until=60, first=1e-6):
    """From `first` to the plateau, evenly in the logarithm."""
    return lambda step: first * (plateau / first) ** min(1.0, step / until)


def noisy(level=1.0, spread=0.3, seed=0):
    chance = random.Random(seed)
    return lambda step: level + chance.gauss(0, spread)


def test_a_clean_plateau_is_found_a_window_after_it_is_reached():
    verdict = judged(curve(risen(2e-3)), RULE)
    assert verdict.outcome == "settled" and verdict.rate == pytest.approx(2e-3)
    assert verdict.step == 110  # reached at 60, and one step before that it was 14 % lower


def test_more_points_change_no_verdict_and_fewer_have_none():
    points = curve(risen(2e-3))
    verdict = judged(points, RULE)
    assert judged(points[: verdict.step], RULE) == verdict and judged(points[: verdict.step - 1], RULE) is None


def test_a_slow_rise_is_no_plateau_and_the_budget_ends_it():
    verdict = judged(curve(lambda step: 1e-6 * 1.02**step), RULE)
    assert (verdict.outcome, verdict.step) == ("not settled", 400)
    assert "169%" in verdict.why  # 1.02 to the 50th


def test_a_rise_below_the_share_is_a_plateau():
    creeping = lambda step: 1e-3 * 1.0008**step  # 4 % in 50 steps
    assert judged(curve(creeping), RULE).outcome == "settled"
    assert judged(curve(creeping), Rule(1e-6, 50, 0.03, 400)).outcome == "not settled"


def test_a_flat_line_at_the_start_is_no_plateau():
    verdict = judged(curve(lambda step: 1e-6), RULE)
    assert (verdict.outcome, verdict.step) == ("not started", 200)
    late = judged(curve(lambda step: 1e-6 if step < 150 else 3e-4), RULE)
    assert late.outcome == "settled" and (late.step, late.rate) == (200, 3e-4)


def test_few_steps_at_most_end_a_search_that_never_started():
    assert judged(curve(lambda step: 1e-6, steps=30), Rule(1e-6, 50, 0.05, 30)).outcome == "not started"


def test_d_that_runs_away_gives_the_last_value_at_which_training_was_stable():
    def rate(step):
        return risen(1e-3)(step) if step <= 90 else 1e-3 * 1.2 ** (step - 90)

    def loss(step):
        return 2.0 - step / 100 if step <= 90 else 1.1 + (step - 90) / 100

    verdict = judged(curve(rate, loss), RULE)
    assert verdict.outcome == "unstable" and verdict.overshot and "ran away" in verdict.why
    assert 5e-4 <= verdict.rate <= 1.5e-3 and verdict.step < 120


def test_a_loss_that_rises_while_d_rests_is_unstable_without_having_overshot():
    climbing = lambda step: 1.0 if step < 60 else 1.0 + (step - 60) / 10
    verdict = judged(curve(risen(2e-3, until=30), climbing), Rule(1e-6, 40, 1e-9, 400))
    assert verdict.outcome == "settled"  # before anything went wrong
    verdict = judged(curve(lambda step: 1e-4 * 1.006**step, climbing), RULE)
    assert verdict.outcome == "unstable" and "rose from" in verdict.why and not verdict.overshot


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_no_number_ends_it_at_the_value_before(bad):
    loss = lambda step: bad if step >= 80 else 2.0 - step / 100
    verdict = judged(curve(risen(2e-3), loss), RULE)
    middle = risen(2e-3)(79 - 25)  # of the last 50 steps, in which the loss was smallest
    assert (verdict.outcome, verdict.step, verdict.rate) == ("unstable", 80, pytest.approx(middle))
    assert "no number at step 80" in verdict.why and verdict.overshot


def test_a_training_that_broke_off_is_told_with_its_reason():
    points = curve(risen(2e-3), steps=79)
    assert judged(points, RULE) is None
    verdict = judged(points, RULE, diverged="The loss became NaN at step 80")
    assert verdict.outcome == "unstable" and verdict.why.startswith("The loss became NaN at step 80")


@pytest.mark.parametrize("points", [[], curve(lambda step: 1e-6, steps=70)])
def test_what_breaks_before_d_left_its_start_gives_no_rate(points):
    assert judged(points, RULE, diverged="The loss became NaN").outcome == "broken"


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_the_loss_is_no_instability(seed):
    verdict = judged(curve(risen(2e-3, until=300), noisy(seed=seed)), RULE)
    assert verdict.outcome == "settled" and verdict.step > 300


def test_noise_does_not_hide_a_loss_that_doubles():
    noise = noisy(seed=3)
    verdict = judged(curve(lambda s: 1e-4 * 1.01**s, lambda s: noise(s) * (1 if s < 150 else 2)), RULE)
    assert verdict.outcome == "unstable" and 150 < verdict.step < 200
