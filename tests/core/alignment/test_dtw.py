"""Dynamic time warping: by hand, and against every path there is."""

import numpy as np
import pytest

from acestep_core.alignment.dtw import cheapest_path


def test_a_small_one_by_hand():
    cost = np.array([[1, 9, 9, 9], [2, 1, 1, 9], [9, 9, 9, 1.0]])
    rows, frames = cheapest_path(cost)  # 1 + 1 + 1 + 1
    assert list(zip(rows.tolist(), frames.tolist(), strict=True)) == [(0, 0), (1, 1), (1, 2), (2, 3)]


def test_more_tokens_than_frames_share_a_frame():
    rows, frames = cheapest_path(np.zeros((4, 2)))
    assert rows[0] == frames[0] == 0 and (rows[-1], frames[-1]) == (3, 1)
    assert set(rows) == {0, 1, 2, 3}


def all_paths(n, m, at=(0, 0)):
    if at == (n - 1, m - 1):
        yield [at]
    for step in ((1, 1), (0, 1), (1, 0)):
        there = (at[0] + step[0], at[1] + step[1])
        if there[0] < n and there[1] < m:
            yield from ([at, *rest] for rest in all_paths(n, m, there))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 5), (5, 3), (4, 4)])
def test_no_path_is_cheaper(shape):
    for seed in range(5):
        cost = np.random.default_rng(seed).standard_normal(shape)
        least = min(sum(cost[place] for place in path) for path in all_paths(*shape))
        rows, frames = cheapest_path(cost)
        steps = set(zip(np.diff(rows).tolist(), np.diff(frames).tolist(), strict=True))
        assert steps <= {(1, 1), (0, 1), (1, 0)}
        assert (rows[0], frames[0], rows[-1], frames[-1]) == (0, 0, shape[0] - 1, shape[1] - 1)
        assert np.isclose(cost[rows, frames].sum(), least)
