"""Dynamic time warping: the cheapest way through a matrix of costs that never goes back."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_DIAGONAL, _LEFT, _UP = range(3)  # where a cell was come from; the first of equals is taken


def cheapest_path(cost: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """(rows, columns) of the path from the first corner of `cost` [n, m] to the last, in order.

    Each step goes on by one row, one column or both. Time and memory go with n (n + m).
    """
    import numpy as np

    came = _came_from(cost)
    i, j = cost.shape[0] - 1, cost.shape[1] - 1
    places = [(i, j)]
    while i or j:
        step = came[i + j, i]
        i, j = i - (step != _LEFT), j - (step != _UP)
        places.append((i, j))
    rows, columns = np.array(places[::-1]).T
    return rows, columns


def _came_from(cost: "np.ndarray") -> "np.ndarray":
    """int8 [n + m - 1, n]: of the cell (i, j) at [i + j, i]. A whole diagonal is computed at once."""
    import numpy as np

    n, m = cost.shape
    came = np.zeros((n + m - 1, n), np.int8)
    one, two = np.full((2, n + 1), np.inf)  # sums of the last diagonal and the one before, row i at i + 1
    for k in range(n + m - 1):
        first, last = max(0, k - m + 1), min(n, k + 1)
        rows = np.arange(first, last)
        before = np.stack([two[first:last], one[first + 1 : last + 1], one[first:last]])
        best = before.argmin(axis=0)
        sums = np.full(n + 1, np.inf)
        least = before[best, np.arange(len(rows))] if k else 0.0
        sums[first + 1 : last + 1] = cost[rows, k - rows] + least
        came[k, first:last] = best
        one, two = sums, one
    return came
