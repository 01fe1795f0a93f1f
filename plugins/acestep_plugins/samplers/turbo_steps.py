"""The few t a turbo model is run at, equally likely. The reference's first trainer uses shift 3 and 8 steps."""

from typing import Any

from acestep_core import TimestepSampler, hookimpl, option
from acestep_core.schedule import shifted


class TurboSteps(TimestepSampler):
    name = "turbo_steps"

    shift: float = option(3.0, "shift of the schedule; above 1 spends more steps near noise", gt=0)
    count: int = option(8, "how many steps the model is run with", ge=1, le=200)

    def sample(self, u: Any) -> Any:
        import torch

        rising = torch.tensor(shifted(self.count, self.shift)[-2::-1], dtype=u.dtype, device=u.device)
        return rising[(u * self.count).long().clamp(0, self.count - 1)]

    def schedule(self, steps: int) -> list[float]:
        return shifted(steps, self.shift)


@hookimpl
def acestep_samplers():
    return [TurboSteps]
