"""The stochastic solver: estimate the data, then add fresh noise for the next t."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from acestep_core import Solver, hookimpl


class Sde(Solver):
    name = "sde"

    def solve(
        self,
        velocity: Callable[..., Any],
        x: Any,
        t: Sequence[float],
        noise: Callable[[], Any],
        on_step: Callable[[int, Any], Any],
    ) -> Any:
        for i, (now, after) in enumerate(pairwise(t)):
            data = x - velocity(x, now) * now
            x = noise() * after + data * (1 - after) if after > 0 else data
            x = on_step(i, x)
        return x


@hookimpl
def acestep_solvers():
    return [Sde]
