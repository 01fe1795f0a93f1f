"""The map that gives a rectified flow the log-SNR distribution of the cosine schedule.

t = 1 − 1 / (tan(πu/2) + 1), with density 2 / (π (1 − 2t + 2t²)).
Source: CosMap in Esser et al. 2024, arXiv 2403.03206, section 3.1, with its t, where 1 is noise too.
"""

import math
from typing import Any

from acestep_core import TimestepSampler, hookimpl


class Cosine(TimestepSampler):
    """t distributed as under a cosine schedule: twice as likely in the middle as at the ends."""

    name = "cosine"

    def sample(self, u: Any) -> Any:
        angle = u * (math.pi / 2)
        return angle.sin() / (angle.sin() + angle.cos())  # the same map, finite at u = 1


@hookimpl
def acestep_samplers():
    return [Cosine]
