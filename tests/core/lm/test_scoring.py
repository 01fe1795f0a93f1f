"""The language model's score against numbers worked out by hand from a toy distribution."""

import math

import pytest

from acestep_core import UserError
from acestep_core.lm.requests import Metas
from acestep_core.lm.scoring import LmScore, Scoring, evidence, lm_score, recall, weighted
from acestep_core.lm.weighing import Weighed


class Letters:
    """Every character is a token."""

    def chat(self, messages):
        return [len(messages[-1]["content"])]

    def encode(self, text):
        return list(map(ord, text))

    def spans(self, text):
        return [(i, i + 1) for i in range(len(text))]


class Toy:
    """After codes each digit has e^-1 and rank 3, each other character e^-2 and rank 1; after none all have e^-3."""

    tokenizer = Letters()

    def weigh(self, texts):
        unheard = (len("NO USER INPUT"),)
        return [self._one(t.said, t.prompt == unheard) for t in texts]

    def _one(self, said, unheard):
        digits = [chr(c).isdigit() for c in said]
        log_probs = [-3.0 if unheard else -1.0 if d else -2.0 for d in digits]
        return Weighed(tuple(log_probs), tuple(3 if d else 1 for d in digits))


def share(gain, scale):
    return 1 / (1 + math.exp(-gain / scale))


def test_the_value_alone_counts():
    """` 120` is a space of rank 1 and three digits of rank 3; the caption gains 1 a token, the lyrics 2 or 1."""
    found = lm_score(Toy(), [1, 2], Metas(bpm=120, caption="a b"), "12", Scoring(scale=2.0))
    assert found.parts == {
        "bpm": pytest.approx((1 + 3 * 0.8) / 4, abs=1e-4),
        "caption": pytest.approx(share(1, 2), abs=1e-4),
        "lyrics": pytest.approx(share(2, 2), abs=1e-4),
    }
    expected = 0.5 * share(1, 2) + 0.3 * share(2, 2) + 0.2 * 0.85
    assert found.score == pytest.approx(expected, abs=1e-4)


def test_the_frame_lifts_recall_as_in_the_reference():
    text = "<think>\nbpm: 120\n</think>\n"
    found = lm_score(Toy(), [1], Metas(bpm=120), scoring=Scoring(frame=True))
    assert found == LmScore({"bpm": pytest.approx((len(text) - 3 + 3 * 0.8) / len(text), abs=1e-4)}, found.parts["bpm"])
    assert found.score > lm_score(Toy(), [1], Metas(bpm=120)).score


def test_by_hand():
    ranks = Weighed((0.0,) * 4, (1, 2, 10, 11))
    assert recall(ranks, [0, 1, 2, 3]) == pytest.approx((1 + 0.9 + 0.1 + 0) / 4)
    assert recall(ranks, [1]) == pytest.approx(0.9)
    same, worse = Weighed((-1.0, -2.0), (1, 1)), Weighed((-2.0, -2.2), (1, 1))
    assert evidence(same, same, [0, 1], 0.1) == 0.5
    assert evidence(same, worse, [0, 1], 0.1) == pytest.approx(1 / (1 + math.exp(-6)))
    assert evidence(worse, Weighed((800.0, 800.0), (1, 1)), [0, 1], 0.01) == 0.0


def test_what_is_missing_does_not_count():
    assert weighted({"caption": 0.4}) == pytest.approx(0.4)
    assert weighted({"caption": 0.4, "bpm": 1.0, "language": 0.0}) == pytest.approx((0.5 * 0.4 + 0.2 * 0.5) / 0.7)
    with pytest.raises(UserError, match="Nothing is known"):
        lm_score(Toy(), [1], Metas(language="unknown"))


def test_a_backend_that_cannot_weigh_says_so():
    class Speaks:
        tokenizer = Letters()

    with pytest.raises(UserError, match="cannot say how likely"):
        lm_score(Speaks(), [1], Metas(bpm=100))
