"""The first-order solver, one look at the model per step."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from acestep_core import Solver, hookimpl


class Euler(Solver):
    name = "euler"

    def solve(
        self,
        velocity: Callable[..., Any],
        x: Any,
        t: Sequence[float],
        noise: Callable[[], Any],
        on_step: Callable[[int, Any], Any],
    ) -> Any:
        for i, (now, after) in enumerate(pairwise(t)):
            x = x - velocity(x, now) * (now - after)
            x = on_step(i, x)
        return x


@hookimpl
def acestep_solvers():
    return [Euler]
