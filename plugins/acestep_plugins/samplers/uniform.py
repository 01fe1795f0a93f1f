"""Every t equally likely."""

from typing import Any

from acestep_core import TimestepSampler, hookimpl, option


class Uniform(TimestepSampler):
    name = "uniform"

    low: float = option(0.0, "smallest t", ge=0, lt=1)
    high: float = option(1.0, "largest t", gt=0, le=1)

    def sample(self, u: Any) -> Any:
        return self.low + (self.high - self.low) * u


@hookimpl
def acestep_samplers():
    return [Uniform]
