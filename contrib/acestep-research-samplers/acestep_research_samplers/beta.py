"""A beta-distributed t.

Density t^(a−1) (1 − t)^(b−1) / B(a, b); its quantile function is the inverse of the regularised incomplete beta
function. The defaults are those of π0 (Black et al. 2024, arXiv 2410.24164), whose τ is 1 − t.
"""

from typing import Any

from acestep_core import TimestepSampler, hookimpl, option


class Beta(TimestepSampler):
    """Beta-distributed t; a above b is nearer to noise."""

    name = "beta"

    # Below 0.25 the first of many steps of a schedule would all round to 1.
    a: float = option(1.5, "weight of the noise end; below 1 the density is highest at data", ge=0.25, le=100)
    b: float = option(1.0, "weight of the data end; below 1 the density is highest at noise", ge=0.25, le=100)

    def sample(self, u: Any) -> Any:
        import torch
        from scipy.special import betaincinv

        return torch.from_numpy(betaincinv(self.a, self.b, u.double().cpu().numpy())).to(u)


@hookimpl
def acestep_samplers():
    return [Beta]
