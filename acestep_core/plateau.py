"""Where the estimate of an optimizer that finds its own rate has come to rest: plain logic over a list of numbers.

What is watched is d*lr: d starts very small, leaves that once, rises, and never falls. A line that is flat because d
has not left its start is no plateau.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

STARTED = 10  # times its start, from which d has left it
START_WITHIN = 200  # steps; without a sign of it until then d begins higher
RUN_AWAY = 0.1  # no adapter trains at a rate above
_WORSE = 0.1  # share by which a mean loss must rise, besides what noise explains
_DEVIATIONS = 3.0

Outcome = Literal["settled", "unstable", "broken", "not started", "not settled"]


@dataclass(frozen=True)
class Point:
    """One optimizer step: `rate` is d*lr."""

    step: int
    rate: float
    loss: float


@dataclass(frozen=True)
class Rule:
    """d has settled where d*lr rose by less than the share `rise` in `window` steps. It begins at `first`."""

    first: float
    window: int
    rise: float
    most_steps: int


@dataclass(frozen=True)
class Verdict:
    """What became of d at `step`; `rate` is the plateau, or the last value at which training was stable.

    `overshot` says that training became unstable at a value far above that one. `why` is for people.
    """

    outcome: Outcome
    step: int
    rate: float
    why: str
    overshot: bool = False


def judged(points: Sequence[Point], rule: Rule, diverged: str = "") -> Verdict | None:
    """The first thing that can be said of the points in order, or None while nothing can.

    So more points after it never change it. `diverged` says why there can be no more of them.
    """
    losses = _Losses(points, rule.window)
    started: int | None = None
    for place, point in enumerate(points):
        trouble = _trouble(point) or losses.rising(place)
        if trouble:
            return _unstable(points[: place + 1], losses, rule, trouble)
        started = place if started is None and point.rate >= STARTED * rule.first else started
        if started is None:
            if point.step >= min(START_WITHIN, rule.most_steps):
                return Verdict("not started", point.step, point.rate,
                               f"d*lr has not left {rule.first:.0e} in {point.step} steps")  # fmt: skip
        elif place - rule.window >= started and _rise(points, place, rule.window) < rule.rise:
            risen = f"rose by less than {rule.rise:.0%} in {rule.window} steps"
            return Verdict("settled", point.step, point.rate, f"d*lr {risen} before step {point.step}")
        elif point.step >= rule.most_steps:
            rise = _rise(points, place, min(rule.window, place))
            risen = f"rose by {rise:.0%} in the last {min(rule.window, place)} of {point.step} steps"
            return Verdict("not settled", point.step, point.rate, f"d*lr {risen}, to {point.rate:.2e}")
    return _unstable(points, losses, rule, diverged) if diverged else None


def _rise(points: Sequence[Point], place: int, window: int) -> float:
    return points[place].rate / points[place - window].rate - 1


def _trouble(point: Point) -> str:
    if not (math.isfinite(point.loss) and math.isfinite(point.rate)):
        return f"the loss or d is no number at step {point.step}"
    if point.rate > RUN_AWAY:
        return f"d*lr ran away to {point.rate:.2e} at step {point.step}"
    return ""


def _unstable(points: Sequence[Point], losses: "_Losses", rule: Rule, why: str) -> Verdict:
    """The value in the middle of the window of the smallest mean loss, whose end may reach into the trouble.

    The start of d counts as no value.
    """
    last = len(points) - 1
    end = losses.lowest(last)
    best = None if end is None else end - rule.window // 2
    if best is None or points[best].rate < STARTED * rule.first:
        step, rate = (points[-1].step, points[-1].rate) if points else (0, rule.first)
        return Verdict("broken", step, rate, f"{why}, before d*lr had left {rule.first:.0e}")
    stable = points[best].rate
    reached = max((p.rate for p in points if math.isfinite(p.rate)), default=stable)
    said = f"{why}; the loss was smallest around step {points[best].step}, where d*lr was {stable:.2e}"
    return Verdict("unstable", points[-1].step, stable, said, overshot=reached > 2 * stable)


class _Losses:
    """Means over windows, with what noise they have. Points from the first that is no number on are left out."""

    def __init__(self, points: Sequence[Point], window: int):
        self._window = window
        finite = [p.loss for p in points]
        broken = next((i for i, loss in enumerate(finite) if not math.isfinite(loss)), len(finite))
        self._sums = [0.0, *accumulate(finite[:broken])]
        self._squares = [0.0, *accumulate(loss * loss for loss in finite[:broken])]
        self._steps = [p.step for p in points]
        self._best: list[int | None] = []  # by place, the end of the window with the smallest mean until there
        for place in range(broken):
            before = self._best[-1] if self._best else None
            whole = place >= window - 1
            better = whole and (before is None or self._mean(place) < self._mean(before))
            self._best.append(place if better else before)

    def lowest(self, place: int) -> int | None:
        """The place at which the window with the smallest mean loss ends, of those that end at `place` or before."""
        return self._best[min(place, len(self._best) - 1)] if self._best else None

    def rising(self, place: int) -> str:
        """What to say if the mean loss of the window that ends there is above the smallest before, beyond noise."""
        best = self.lowest(place - self._window) if place >= 2 * self._window - 1 else None
        if best is None:
            return ""
        low, now = self._mean(best), self._mean(place)
        noise = math.sqrt((self._variance(best) + self._variance(place)) / self._window)
        if now <= low + _WORSE * abs(low) + _DEVIATIONS * noise:
            return ""
        return f"the mean loss of {self._window} steps rose from {low:.4g} to {now:.4g} at step {self._steps[place]}"

    def _mean(self, place: int) -> float:
        return (self._sums[place + 1] - self._sums[place + 1 - self._window]) / self._window

    def _variance(self, place: int) -> float:
        squares = (self._squares[place + 1] - self._squares[place + 1 - self._window]) / self._window
        return max(0.0, squares - self._mean(place) ** 2)
