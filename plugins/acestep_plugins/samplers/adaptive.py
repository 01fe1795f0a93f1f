"""The distribution of ACE-Step's training, drawn more often where the loss has been larger.

[0, 1] is cut into equal bins of t. Let p_i be the share of the base distribution in bin i and m_i the moving mean of
the losses seen there. The bin is drawn with q_i = floor · p_i + (1 − floor) · p_i m_i / Σ p_j m_j, and within a bin
t is distributed as in the base. So no bin is drawn less than `floor` times as often as without, and with equal losses
nothing changes. Compare importance by loss in Nichol and Dhariwal 2021, arXiv 2102.09672, section 3.3; the losses are
not reweighted here, the aim is to train more where much is wrong.
"""

import math
from itertools import accumulate
from statistics import NormalDist
from typing import Any

from acestep_core import TimestepSampler, hookimpl, option

_NORMAL = NormalDist()


class Adaptive(TimestepSampler):
    """logit_normal at first; learns where the loss is large and looks there more often."""

    name = "adaptive"

    mu: float = option(-0.4, "centre of the normal under the sigmoid")
    sigma: float = option(1.0, "its width", gt=0)
    draws: int = option(2, "the largest of how many draws is used; 1 is a plain logit-normal", ge=1, le=8)
    bins: int = option(10, "how many equal bins of t have a mean loss of their own", ge=2, le=1000)
    memory: float = option(0.95, "share of a bin's mean that stays when a loss in it is seen", ge=0, lt=1)
    floor: float = option(0.5, "share of the draws that stays as without adapting", ge=0.01, le=1)

    def __post_init__(self) -> None:
        self._means: dict[int, float] = {}
        self._edges = [self._base_share(i / self.bins) for i in range(self.bins + 1)]

    def sample(self, u: Any) -> Any:
        import torch

        edges = torch.tensor(self._edges, dtype=u.dtype, device=u.device)
        drawn = torch.tensor([0.0, *accumulate(self.weights())], dtype=u.dtype, device=u.device)
        at = torch.searchsorted(drawn[1:-1], u, right=True)
        width = (drawn[at + 1] - drawn[at]).clamp_min(torch.finfo(u.dtype).tiny)
        within = ((u - drawn[at]) / width).clamp(0, 1)
        base = edges[at] + within * (edges[at + 1] - edges[at])
        return torch.sigmoid(self.mu + self.sigma * torch.special.ndtri(base ** (1 / self.draws)))

    def observe(self, t: Any, loss: Any) -> None:
        for where, value in zip(t, loss, strict=True):
            if math.isfinite(value):
                place, seen = min(int(where * self.bins), self.bins - 1), max(0.0, float(value))
                before = self._means.get(place, seen)
                self._means[place] = self.memory * before + (1 - self.memory) * seen

    def weights(self) -> list[float]:
        """Probability of each bin, from t = 0 up. A bin nothing was seen in counts with the mean of the others."""
        known = sum(self._means.values()) / len(self._means) if self._means else 1.0
        base = [high - low for low, high in zip(self._edges, self._edges[1:], strict=False)]
        raised = [p * self._means.get(i, known) for i, p in enumerate(base)]
        total = sum(raised)
        if not total:
            return base
        return [self.floor * p + (1 - self.floor) * r / total for p, r in zip(base, raised, strict=True)]

    def _base_share(self, t: float) -> float:
        """Of the base distribution below t."""
        if t in (0.0, 1.0):
            return t
        return _NORMAL.cdf((math.log(t / (1 - t)) - self.mu) / self.sigma) ** self.draws


@hookimpl
def acestep_samplers():
    return [Adaptive]
