"""Guidance: steers the velocity away from the unconditional one. Plain arithmetic, for torch, numpy and MLX arrays.

`kind` cfg: u + g(c − u). `apg` (adaptive projected guidance, arXiv 2410.02416): momentum −0.75 on c − u, its norm over
time capped at 2.5 per channel, only the part orthogonal to c used. Source: apg_guidance.py of ACE-Step 1.5.
"""

from collections.abc import Callable
from typing import Any, Literal

Kind = Literal["apg", "cfg"]
APG_MOMENTUM = -0.75
APG_NORM = 2.5


class Guided:
    """velocity(x, t) out of a conditional and an unconditional one. Keeps APG's momentum: one object per run."""

    def __init__(
        self,
        conditional: Callable[[Any, float], Any],
        unconditional: Callable[[Any, float], Any],
        scale: float,
        kind: Kind = "apg",
        interval: tuple[float, float] = (0.0, 1.0),
    ):
        self._conditional, self._unconditional = conditional, unconditional
        self._scale, self._kind, self._interval = scale, kind, interval
        self._momentum: Any = 0.0

    def __call__(self, x: Any, t: float, corrector: bool = False) -> Any:
        """A solver's second look at a step (`corrector`) is guided by plain CFG and leaves the momentum alone."""
        c = self._conditional(x, t)
        if not self._interval[0] <= t <= self._interval[1]:
            return c
        difference = c - self._unconditional(x, t)
        if self._kind == "cfg" or corrector:
            return c + difference * (self._scale - 1)
        self._momentum = difference + self._momentum * APG_MOMENTUM
        return c + _orthogonal(_capped(self._momentum, APG_NORM), c) * (self._scale - 1)


def _capped(d: Any, limit: float) -> Any:
    """Each channel scaled so that its norm over time [T, C] is at most `limit`."""
    norm = (d * d).sum(axis=0) ** 0.5
    larger = (norm + limit + abs(norm - limit)) * 0.5  # maximum(), which torch, numpy and MLX spell differently
    return d * (limit / larger)


def _orthogonal(d: Any, c: Any) -> Any:
    """What remains of d, per channel over time, without its part along c."""
    return d - c * ((d * c).sum(axis=0) / ((c * c).sum(axis=0) + 1e-12))
