"""Drawing a token: against shares worked out by hand."""

from collections import Counter

import numpy as np
import pytest

from acestep_core.lm.choosing import choose, guided
from acestep_core.lm.requests import LmSettings

IDS = np.array([3, 5, 8, 13])
SCORES = np.log(np.array([0.1, 0.4, 0.3, 0.2], dtype=np.float32))
FREE = LmSettings(temperature=1.0, top_p=1.0)


def drawn(settings, said=(), scores=SCORES, seeds=3000):
    counts = Counter(choose(scores, IDS, list(said), settings, seed) for seed in range(seeds))
    return np.array([counts[i] / seeds for i in IDS])


def test_tokens_are_drawn_by_their_shares():
    assert drawn(FREE) == pytest.approx([0.1, 0.4, 0.3, 0.2], abs=0.03)


def test_temperature_sharpens():
    squared = np.array([0.1, 0.4, 0.3, 0.2]) ** 2
    assert drawn(LmSettings(temperature=0.5, top_p=1.0)) == pytest.approx(squared / squared.sum(), abs=0.03)


def test_top_p_is_taken_before_the_temperature():
    """At 0.6 only the two likeliest stay (0.4 + 0.3), however flat the temperature makes them afterwards."""
    assert drawn(LmSettings(temperature=2.0, top_p=0.6)) == pytest.approx(
        [0, 2 / (2 + 3**0.5), 3**0.5 / (2 + 3**0.5), 0], abs=0.03
    )


def test_top_k_keeps_so_many():
    assert drawn(LmSettings(temperature=1.0, top_p=1.0, top_k=2)) == pytest.approx([0, 4 / 7, 3 / 7, 0], abs=0.03)


def test_what_was_said_is_less_likely():
    """A score below zero is multiplied, one above divided."""
    settings = LmSettings(temperature=0, repetition_penalty=2.0)
    assert choose(np.array([1.0, 1.5, -1, -2]), IDS, [5], settings, 0) == 3
    assert choose(np.array([-3.0, -1.0, -1.5, -9]), IDS, [5], settings, 0) == 8


@pytest.mark.parametrize("settings", [LmSettings(temperature=0), FREE])
def test_the_likeliest_and_of_equals_the_first(settings):
    tied = np.array([0.0, 1.0, 1.0, 0.5])
    assert {choose(tied, IDS, [], settings, seed, surest=True) for seed in range(20)} == {5}


def test_a_draw_follows_from_seed_and_place():
    first = [choose(SCORES, IDS, [0] * n, FREE, 7) for n in range(40)]
    assert first == [choose(SCORES, IDS, [0] * n, FREE, 7) for n in range(40)] and len(set(first)) > 2
    assert first != [choose(SCORES, IDS, [0] * n, FREE, 8) for n in range(40)]


def test_the_fewest_with_the_share_are_the_same_as_by_sorting_all():
    rng = np.random.default_rng(0)
    for top_p in (0.05, 0.5, 0.9, 0.999):
        scores = rng.normal(0, 3, 5000)
        shares = np.exp(scores) / np.exp(scores).sum()
        order = np.argsort(-shares)
        kept = set(order[: np.searchsorted(np.cumsum(shares[order]), top_p) + 1].tolist())
        settings = LmSettings(temperature=2.0, top_p=top_p)
        assert {choose(scores, np.arange(5000), [], settings, seed) for seed in range(300)} <= kept


def test_guidance_leads_away():
    assert guided(np.array([1.0, 2.0]), np.array([0.5, 3.0]), 2.0).tolist() == [1.5, 1.0]
