"""A triangular distribution of t: density 2t/peak up to the peak, 2(1 − t)/(1 − peak) from there on."""

from acestep_core import TimestepSampler, hookimpl, option


class Triangular(TimestepSampler):
    name = "triangular"
    peak: float = option(0.5, "the most likely t", ge=0, le=1)

    def sample(self, u):
        rising = (u * self.peak) ** 0.5
        falling = 1 - ((1 - u) * (1 - self.peak)) ** 0.5
        return rising.where(u < self.peak, falling)


@hookimpl
def acestep_samplers():
    return [Triangular]
