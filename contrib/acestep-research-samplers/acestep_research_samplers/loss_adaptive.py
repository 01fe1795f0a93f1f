"""Draws a t more often where the loss has been larger.

[0, 1] is cut into n equal bins. With m the moving mean of the losses seen in each, the density inside bin i is
floor + (1 − floor) · n · m_i / Σ m: a mixture of a uniform density and one proportional to the loss.
Compare the resampling by loss in Nichol and Dhariwal 2021, arXiv 2102.09672, section 3.3, which keeps the objective by
weights; here the loss is not reweighted.
"""

import math
from itertools import accumulate
from typing import Any

from acestep_core import TimestepSampler, hookimpl, option


class LossAdaptive(TimestepSampler):
    """Learns where the loss is large and looks there more often; uniform until it has seen losses."""

    name = "loss_adaptive"

    bins: int = option(20, "how many equal bins of t have a density of their own", ge=2, le=1000)
    memory: float = option(0.95, "share of a bin's mean that stays when a loss in it is seen", ge=0, lt=1)
    floor: float = option(0.3, "share of the draws that stays uniform", ge=0.01, le=1)

    def __post_init__(self) -> None:
        self._means: dict[int, float] = {}

    def sample(self, u: Any) -> Any:
        import torch

        weights = torch.tensor(self.weights(), dtype=u.dtype, device=u.device)
        edges = torch.tensor([0.0, *accumulate(self.weights())], dtype=u.dtype, device=u.device)
        at = torch.searchsorted(edges[1:-1], u, right=True)
        # Clamped, because rounded edges would carry u = 1 past the end of a narrow last bin.
        return (at + ((u - edges[at]) / weights[at]).clamp(0, 1)) / self.bins

    def observe(self, t: Any, loss: Any) -> None:
        for where, value in zip(t, loss, strict=True):
            if math.isfinite(value):
                self._learn(min(int(where * self.bins), self.bins - 1), max(0.0, float(value)))

    def weights(self) -> list[float]:
        """Probability of each bin, from t = 0 up. A bin nothing was seen in counts with the mean of the others."""
        known = sum(self._means.values()) / len(self._means) if self._means else 0.0
        means = [self._means.get(i, known) for i in range(self.bins)]
        total = sum(means)
        shares = [m / total if total else 1 / self.bins for m in means]
        return [self.floor / self.bins + (1 - self.floor) * share for share in shares]

    def _learn(self, where: int, loss: float) -> None:
        mean = self._means.get(where, loss)
        self._means[where] = self.memory * mean + (1 - self.memory) * loss


@hookimpl
def acestep_samplers():
    return [LossAdaptive]
