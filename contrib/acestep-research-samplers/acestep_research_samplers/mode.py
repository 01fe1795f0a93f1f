"""Mode sampling with heavy tails: more of the middle (or of both ends), with no t left out.

Source: Esser et al. 2024, arXiv 2403.03206, section 3.1: f_mode(u; s) = 1 − u − s (cos²(πu/2) − 1 + u). Noise is at 1
there as here, but f_mode falls with u. t = f_mode(1 − u; s) = u − s (sin²(πu/2) − u) rises, with the same distribution;
with u the solution of that equation, the density of t is 1 / (1 + s − s π/2 sin(πu)).
"""

import math
from typing import Any

from acestep_core import TimestepSampler, hookimpl, option

STEEPEST = 2 / (math.pi - 2)  # above it f_mode is not monotone


class Mode(TimestepSampler):
    """Mode sampling of Stable Diffusion 3."""

    name = "mode"

    scale: float = option(1.29, "above 0 favours the middle, below 0 both ends, 0 is uniform", ge=-1, le=STEEPEST)

    def sample(self, u: Any) -> Any:
        return (u - self.scale * ((u * (math.pi / 2)).sin() ** 2 - u)).clamp(0, 1)


@hookimpl
def acestep_samplers():
    return [Mode]
