"""Guidance: steers the velocity away from the unconditional one. Plain arithmetic, for torch, numpy and MLX arrays.

`cfg`: u + g(c − u). `apg` (adaptive projected guidance, arXiv 2410.02416): momentum −0.75 on c − u, its norm over time
capped at 2.5 per channel, only the part orthogonal to c used. `adg` (angle-domain): the data estimate of c is turned
away from that of u, frame by frame, by an angle capped at about 30 degrees. Source: apg_guidance.py of ACE-Step 1.5.
"""

import importlib
from collections.abc import Callable
from typing import Any, Literal

Kind = Literal["apg", "cfg", "adg"]
Velocity = Callable[..., Any]
APG_MOMENTUM = -0.75
APG_NORM = 2.5
ADG_MOST = 3.14 / 6
_ADG_LEAST = 1e-3  # added to the weight; and the sine below which an angle counts as none
_ALMOST_ONE = 1 - 1e-6


class Guided:
    """velocity(x, t) out of a conditional and an unconditional one. Keeps APG's momentum: one object per run."""

    def __init__(
        self,
        conditional: Velocity,
        unconditional: Velocity,
        scale: float,
        kind: Kind = "apg",
        interval: tuple[float, float] = (0.0, 1.0),
    ):
        self._conditional, self._unconditional = conditional, unconditional
        self._scale, self._kind, self._interval = scale, kind, interval
        self._momentum: Any = 0.0

    def __call__(self, x: Any, t: float, corrector: bool = False) -> Any:
        """A solver's second look at a step (`corrector`) is not guided by APG but by CFG, and leaves its momentum."""
        c = self._conditional(x, t, corrector)
        if not self._interval[0] <= t <= self._interval[1]:
            return c
        u = self._unconditional(x, t, corrector)
        if self._kind == "adg" and t > 0:
            return turned(x, t, c, u, self._scale)
        if self._kind != "apg" or corrector:
            return c + (c - u) * (self._scale - 1)
        self._momentum = c - u + self._momentum * APG_MOMENTUM
        return c + _orthogonal(_capped(self._momentum, APG_NORM), c) * (self._scale - 1)


def turned(x: Any, t: float, c: Any, u: Any, scale: float) -> Any:
    """ADG's velocity at x [T, C]: the conditional data estimate turned away from the unconditional one."""
    math = importlib.import_module("mlx.core" if type(x).__module__.startswith("mlx") else type(x).__module__)
    heard, unheard = x - c * t, x - u * t
    cosine = _dot(heard, unheard) / ((_dot(heard, heard) * _dot(unheard, unheard)) ** 0.5 + 1e-12)
    angle = math.arccos(math.clip(cosine, -_ALMOST_ONE, _ALMOST_ONE))
    weight = max(scale - 1, 0.0) + _ADG_LEAST
    wanted = math.clip(angle * weight, -ADG_MOST, ADG_MOST)
    apart = heard - unheard
    across = apart - unheard * (_dot(apart, unheard) / (_dot(unheard, unheard) + 1e-12))
    sine = math.sin(angle)
    share = math.where(sine > _ADG_LEAST, math.sin(wanted) / (sine + (sine == 0)), wanted * 0 + weight)
    return (x - (math.cos(wanted) * heard + across * share)) / t


class Steadied:
    """A velocity held in bounds: its norm against that of x (`clamp`, 0 = off), then averaged with the last (`ema`).

    Source: velocity_norm_threshold and velocity_ema_factor of the reference. A solver's second look is left alone.
    """

    def __init__(self, velocity: Velocity, clamp: float, ema: float):
        self._velocity, self._clamp, self._ema = velocity, clamp, ema
        self._last: Any = None

    def __call__(self, x: Any, t: float, corrector: bool = False) -> Any:
        v = self._velocity(x, t, corrector)
        if corrector:
            return v
        if self._clamp:
            ratio = float((x * x).sum() ** 0.5) * self._clamp / (float((v * v).sum() ** 0.5) + 1e-10)
            v = v * min(1.0, ratio)
        if self._ema and self._last is not None:
            v = v * (1 - self._ema) + self._last * self._ema
        self._last = v
        return v


def _dot(a: Any, b: Any) -> Any:
    """Frame by frame: [T, 1]"""
    return (a * b).sum(axis=-1)[..., None]


def _capped(d: Any, limit: float) -> Any:
    """Each channel scaled so that its norm over time [T, C] is at most `limit`."""
    norm = (d * d).sum(axis=0) ** 0.5
    larger = (norm + limit + abs(norm - limit)) * 0.5  # maximum(), which torch, numpy and MLX spell differently
    return d * (limit / larger)


def _orthogonal(d: Any, c: Any) -> Any:
    """What remains of d, per channel over time, without its part along c."""
    return d - c * ((d * c).sum(axis=0) / ((c * c).sum(axis=0) + 1e-12))
