"""A plain logit-normal t, its centre and width free.

Density exp(−(logit t − mu)² / 2 sigma²) / (sigma √(2π) t (1 − t)), so t = sigmoid(mu + sigma · Φ⁻¹(u)).
Source: Esser et al. 2024, arXiv 2403.03206, section 3.1, with its t, where 1 is noise too.
"""

from typing import Any

from acestep_core import TimestepSampler, hookimpl, option


class LogitNormalFree(TimestepSampler):
    """Logit-normal t from a single draw."""

    name = "logit_normal_free"

    mu: float = option(0.0, "centre of the normal under the sigmoid; above 0 is nearer to noise")
    sigma: float = option(1.0, "its width", gt=0)

    def sample(self, u: Any) -> Any:
        import torch

        return torch.sigmoid(self.mu + self.sigma * torch.special.ndtri(u))


@hookimpl
def acestep_samplers():
    return [LogitNormalFree]
