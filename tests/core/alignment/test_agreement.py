"""The score of a clip's attention, worked out by hand."""

import numpy as np
import pytest

from acestep_core import UserError
from acestep_core.alignment.agreement import Agreement, agreement


def steps(places, frames=40):
    """A token per place, each looked at there alone."""
    weights = np.zeros((1, len(places), frames))
    weights[0, np.arange(len(places)), places] = 1
    return weights


def test_by_hand():
    # centroids 0, 20, 10, 39: three neighbours, of which 20 -> 10 goes back by more than 9 frames
    found = agreement(steps([0, 20, 10, 39]), [0, 1, 2, 3])
    assert found.coverage == 1 and found.monotonicity == pytest.approx(2 / 3, abs=1e-4)
    # the best path goes through 0, 20 and 39 and is at least 40 places long
    assert 0 < found.confidence <= 3 / 40
    assert found.score == pytest.approx((2 / 3) ** 2 * found.confidence, abs=1e-4)


def test_a_little_back_is_in_order():
    assert agreement(steps([0, 20, 11, 39]), [0, 1, 2, 3]).monotonicity == 1


def test_a_full_path_of_a_square():
    assert agreement(np.eye(5)[None], range(5)) == Agreement(1, 1, 1, 1)


def test_words_alone_count():
    weights = np.concatenate([np.eye(4), np.full((1, 4), 0.05)])[None]
    weights[0, 0, 0] = 1
    assert agreement(weights, [0, 1, 2, 3]).coverage == 1  # the tag in the last row is not asked for
    assert agreement(weights, [0, 1, 2, 3, 4]).coverage == 0.8


def test_nothing_to_score():
    with pytest.raises(UserError, match="no words"):
        agreement(np.ones((1, 3, 3)), [0, 1])
