"""Times out of attention maps whose times are known: noise, tags, pauses, repeats, weak attention, nothing at all."""

import numpy as np
import pytest

from acestep_core import UserError
from acestep_core.alignment.maps import energy_of, timed_lines
from acestep_core.alignment.words import Line

FRAME_S = 0.08
TOKENS = 6  # of a line
PAUSE = 40  # frames before each line, and after the last


def song(lines=5, per_token=7, heads=4, noise=0.02, peak=0.5, repeats=False, seed=0):
    """(weights, lines, true spans): each line has a tag token that is looked at nowhere in particular."""
    rng = np.random.default_rng(seed)
    rows, frames = lines * (TOKENS + 1), lines * (PAUSE + TOKENS * per_token) + PAUSE
    weights = noise * rng.random((heads, rows, frames))
    found, spans = [], []
    for n in range(lines):
        first, start = n * (TOKENS + 1) + 1, PAUSE + n * (PAUSE + TOKENS * per_token)
        for k in range(TOKENS):
            at = slice(start + k * per_token, start + (k + 1) * per_token)
            weights[:, first + k, at] += peak * rng.uniform(0.7, 1, (heads, per_token))
            for other in range(lines if repeats else 0):  # the same words are looked at as well, less
                weights[:, other * (TOKENS + 1) + 1 + k, at] += 0.5 * peak * rng.random((heads, per_token))
        found.append(Line(f"line {n}", tuple(range(first, first + TOKENS))))
        spans.append((start * FRAME_S, (start + TOKENS * per_token) * FRAME_S))
    return weights, found, spans, frames * FRAME_S


def times(weights, lines, duration, **how):
    return timed_lines(energy_of(weights, **how), lines, FRAME_S, duration)


@pytest.mark.parametrize("how", [{}, {"noise": 0.1}, {"repeats": True}, {"per_token": 1}, {"peak": 0.1}, {"heads": 1}])
def test_known_times_are_found_again(how):
    weights, lines, spans, duration = song(**how)
    timed = times(weights, lines, duration)
    assert [t.text for t in timed] == [line.text for line in lines]
    for line, (start, end) in zip(timed, spans, strict=True):
        assert abs(line.start_s - start) <= 2 * FRAME_S and abs(line.end_s - end) <= 2 * FRAME_S
        assert line.confidence > 0.5


def test_the_reference_way_finds_them_where_attention_is_strong():
    weights, lines, spans, duration = song(peak=0.9)
    timed = times(weights, lines, duration, reference=True)
    assert all(abs(t.start_s - start) <= 2 * FRAME_S for t, (start, _) in zip(timed, spans, strict=True))
    weak, *_ = song(peak=0.2)
    with pytest.raises(UserError, match="stands out"):
        times(weak, lines, duration, reference=True)


def test_confidence_falls_from_a_clear_map_to_none():
    """A line that is nowhere is not trusted, and does not make the others doubtful."""
    weights, lines, _, duration = song()
    clear = [t.confidence for t in times(weights, lines, duration)]
    weights[:, list(lines[2].rows)] = 0.02 * np.random.default_rng(9).random((4, TOKENS, weights.shape[2]))
    gone = [t.confidence for t in times(weights, lines, duration)]
    assert gone[2] < 0.1 and min(gone[:2] + gone[3:]) > 0.8 and min(clear) > 0.8


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_no_better_than_chance(seed):
    weights = np.random.default_rng(seed).random((4, 60, 900))
    lines = [Line(str(n), tuple(range(12 * n, 12 * n + 12))) for n in range(5)]
    timed = times(weights, lines, 900 * FRAME_S)
    assert np.mean([t.confidence for t in timed]) < 0.15 and max(t.confidence for t in timed) < 0.4


def test_a_frame_that_all_tokens_look_at_says_nothing():
    weights, lines, _, duration = song()
    alike = np.full_like(weights, 0.01)
    alike[:, :, 100] = 0.9 * np.random.default_rng(0).random(weights.shape[:2])
    assert max(t.confidence for t in times(alike, lines, duration)) < 0.1


def test_an_empty_map_is_told():
    with pytest.raises(UserError, match="stands out"):
        times(np.zeros((2, 3, 9)), [Line("a", (0, 1, 2))], 1.0)
