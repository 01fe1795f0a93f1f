"""From cross-attention to times: what heads agree on, the path through it, and how much better than chance it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acestep_core.alignment.dtw import cheapest_path
from acestep_core.alignment.timed import TimedLine, in_order
from acestep_core.alignment.words import Line
from acestep_core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_VIOLENCE = 2.0  # so many medians of its row and of its column are taken off a weight (dit_alignment.py)
_FAINT = 0.1  # below this share of a line's loudest place it is not sung there


@dataclass(frozen=True)
class Found:
    """A line's stretch of frames, the energy of its tokens, and how much of it the path comes by."""

    start: int
    end: int
    total: float
    on_path: float


def energy_of(weights: "np.ndarray", reference: bool = False) -> "np.ndarray":
    """What stands out [tokens, frames], averaged over heads, of weights [heads, tokens, frames].

    A weight counts by its share of what its token gives to all frames, times that of what its frame gives to all
    tokens, so that how strongly lyrics are heard at all does not matter. With `reference` both are a softmax over the
    weights, as in dit_alignment.py, where only weights above about a third stand out.
    """
    return sum(_standing_out(of_head, reference) for of_head in weights) / len(weights)


def _standing_out(weights: "np.ndarray", reference: bool) -> "np.ndarray":
    import numpy as np

    share = _softmax if reference else _share
    shares = share(weights, -1) * share(weights, -2)
    for axis in (-1, -2):
        shares = np.maximum(shares - _VIOLENCE * np.median(shares, axis=axis, keepdims=True), 0)
    energy = shares**2
    return energy / energy.std() if energy.any() else energy


def timed_lines(energy: "np.ndarray", lines: Sequence[Line], frame_s: float, duration_s: float) -> list[TimedLine]:
    """When each line is sung, by the energy [tokens, frames] of a map.

    The confidence of a line is the share of its attention that lies on the path, less the share that the best path
    comes by in the same map with its frames in a random order. Raises `UserError` where nothing stands out.
    """
    import numpy as np

    if not energy.any():
        raise UserError("No head's attention stands out, so nothing can be timed", "try --heads all, or another --t")
    found = _found(energy, lines)
    mixed = _found(energy[:, np.random.default_rng(0).permutation(energy.shape[1])], lines)
    chance = sum(f.on_path for f in mixed) / max(sum(f.total for f in mixed), np.finfo(float).tiny)
    timed, now = [], 0.0
    for line, at in zip(lines, found, strict=True):
        start, now = (at.start * frame_s, at.end * frame_s) if at.on_path else (now, now)
        sure = max(0.0, at.on_path / at.total - chance) if at.on_path else 0.0
        timed.append(TimedLine(start, now, line.text, round(sure, 3)))
    return in_order(timed, duration_s)


def _found(energy: "np.ndarray", lines: Sequence[Line]) -> list[Found]:
    import numpy as np

    rows, frames = cheapest_path(energy.mean() - energy)
    on_path = energy[rows, frames]
    found = []
    for line in lines:
        mine = np.isin(rows, line.rows)
        heard = mine & (on_path > 0) & (on_path >= _FAINT * on_path[mine].max(initial=0))
        at = frames[heard] if heard.any() else np.array([0, 0])
        total = float(energy[list(line.rows)].sum())
        found.append(Found(int(at[0]), int(at[-1]) + 1, total, float(on_path[mine].sum())))
    return found


def _share(weights: "np.ndarray", axis: int) -> "np.ndarray":
    import numpy as np

    total = weights.sum(axis=axis, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def _softmax(weights: "np.ndarray", axis: int) -> "np.ndarray":
    import numpy as np

    return _share(np.exp(weights - weights.max(axis=axis, keepdims=True)), axis)
