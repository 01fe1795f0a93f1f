"""The distribution ACE-Step 1.5 was trained with: the larger of two logit-normal draws.

P(t) = Φ((logit t − mu) / sigma)², so one uniform u gives t = sigmoid(mu + sigma · Φ⁻¹(√u)).
Source: sample_t_r in the reference's modeling files, with r = t.
"""

from typing import Any

from acestep_core import TimestepSampler, hookimpl, option


class LogitNormal(TimestepSampler):
    name = "logit_normal"

    mu: float = option(-0.4, "centre of the normal under the sigmoid")
    sigma: float = option(1.0, "its width", gt=0)
    draws: int = option(2, "the largest of how many draws is used; 1 is a plain logit-normal", ge=1, le=8)

    def sample(self, u: Any) -> Any:
        import torch

        return torch.sigmoid(self.mu + self.sigma * torch.special.ndtri(u ** (1 / self.draws)))


@hookimpl
def acestep_samplers():
    return [LogitNormal]
