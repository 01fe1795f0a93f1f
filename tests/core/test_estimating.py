"""What is measured, and the scores that come out, against other people's formulas."""

import random

import pytest

from acestep_core.estimating import EstimateSettings, measurements
from acestep_core.jobs import LayerGradients
from acestep_core.scores import agreement, scores


def table(**squares):
    return {name: LayerGradients(3, 2, values) for name, values in squares.items()}


def test_fisher_is_the_mean_squared_gradient_and_sensitivity_its_mean_root():
    (a,) = scores([[table(a=[6.0, 24.0]), table(a=[54.0])]])
    assert (a.inputs, a.outputs) == (3, 2)
    assert a.fisher == pytest.approx((1 + 4 + 9) / 3) and a.sensitivity == pytest.approx((1 + 2 + 3) / 3)
    assert a.fisher_spread is None and a.sensitivity_spread is None


def test_layers_are_ranked_by_the_mean_of_repeats_and_the_spread_is_their_deviation():
    found = scores([[table(a=[6.0], b=[60.0])], [table(a=[18.0], b=[0.0])]])
    assert [s.name for s in found] == ["b", "a"]
    assert found[1].fisher == pytest.approx(2.0) and found[1].fisher_spread == pytest.approx(2**0.5)


@pytest.mark.parametrize("seed", range(5))
def test_agreement_is_spearmans_correlation(seed):
    from scipy.stats import spearmanr

    chance = random.Random(seed)
    first, second = ([chance.choice([1.0, 2.0, chance.random()]) for _ in range(20)] for _ in range(2))
    tables = [[table(**{f"n{i}": [v] for i, v in enumerate(values)})] for values in (first, second)]
    assert agreement(tables) == pytest.approx(spearmanr(first, second).statistic)
    assert agreement(tables[:1]) is None


@pytest.mark.parametrize(("focus", "low", "high"), [("structure", 0.6, 1.0), ("texture", 0.0, 0.4)])
def test_a_focus_looks_once_into_each_stratum_of_its_range(focus, low, high):
    found = measurements(5, EstimateSettings(focus=focus, draws=3, repeats=2), None)
    for repeat in (0, 1):
        times = sorted(t for m in found if m.repeat == repeat for t, _ in m.looks)
        assert [int((t - low) / (high - low) * 15) for t in times] == list(range(15))
    seeds = [seed for m in found for _, seed in m.looks]
    assert len(set(seeds)) == len(seeds) == 30


def test_balanced_takes_t_from_the_sampler():
    class Half:
        def sample(self, u):
            return u / 2 + 0.5

    found = measurements(4, EstimateSettings(repeats=1), Half())
    assert sorted(int((t - 0.5) * 8) for m in found for t, _ in m.looks) == [0, 1, 2, 3]


def test_each_repeat_draws_songs_of_its_own_and_the_same_every_time():
    settings = EstimateSettings(focus="texture", songs=6, repeats=4)
    found = measurements(20, settings, None)
    chosen = [[m.index for m in found if m.repeat == r] for r in range(4)]
    assert all(len(set(c)) == 6 and c == sorted(c) for c in chosen) and len(set(map(tuple, chosen))) > 1
    assert measurements(20, settings, None) == found
    assert len(measurements(20, EstimateSettings(focus="texture", songs=0, repeats=1), None)) == 20
    assert measurements(20, EstimateSettings(focus="texture", songs=6, repeats=4, seed=1), None) != found
