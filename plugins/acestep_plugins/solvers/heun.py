"""The second-order solver: the average of the velocities at both ends of a step."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from acestep_core import Solver, hookimpl, option


class Heun(Solver):
    name = "heun"

    correct_last: bool = option(False, "correct the step to t = 0 too; the reference does for base, not for turbo")

    def solve(
        self,
        velocity: Callable[..., Any],
        x: Any,
        t: Sequence[float],
        noise: Callable[[], Any],
        on_step: Callable[[int, Any], Any],
    ) -> Any:
        for i, (now, after) in enumerate(pairwise(t)):
            slope = velocity(x, now)
            if after > 0 or self.correct_last:
                ahead = x - slope * (now - after)
                slope = (slope + velocity(ahead, after, corrector=True)) * 0.5
            x = x - slope * (now - after)
            x = on_step(i, x)
        return x


@hookimpl
def acestep_solvers():
    return [Heun]
