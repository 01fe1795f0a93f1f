"""Logits of wanted tokens against the whole product."""

import numpy as np
import pytest

from acestep_core.lm.logits import wanted_logits

TOKENS, WIDTH = 40, 8
SOME = {"neighbours": [7, 8, 9], "few": [0, 3, 39], "many": list(range(0, TOKENS, 2)), "all": list(range(TOKENS))}


def wanted(head, hidden, ids):
    return wanted_logits(head, hidden, ids, index=np.asarray, numbers=list)


@pytest.mark.parametrize("ids", SOME.values(), ids=SOME.keys())
def test_they_are_those_of_the_whole_product(ids):
    rng = np.random.default_rng(0)
    head, hidden = rng.normal(size=(TOKENS, WIDTH)), rng.normal(size=(3, WIDTH))
    whole, same, other = hidden @ head.T, np.array(ids), np.array([5, 20])
    first, second, third = wanted(head, hidden, [same, other, same])
    assert np.allclose(first, whole[0, ids]) and np.allclose(third, whole[2, ids])
    assert np.allclose(second, whole[1, [5, 20]])


def test_a_row_that_wants_nothing_gets_nothing():
    head, hidden = np.ones((TOKENS, WIDTH)), np.ones((2, WIDTH))
    nothing, something = wanted(head, hidden, [None, np.array([1])])
    assert nothing is None and something.tolist() == [WIDTH]
    assert wanted(head, hidden, [None, None]) == [None, None]
