"""An average of the trained weights, kept apart from them, and a look at either without a trace."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from acestep_plugins.backends.pt.optimizers import averages


class Average:
    """Exponential moving average: average = decay · average + (1 − decay) · weights after every step.

    In the first steps the decay is at most (1 + step) / (10 + step), so that the start is soon forgotten.
    """

    def __init__(self, parameters: Mapping[str, torch.Tensor], decay: float):
        self.decay = decay
        self._parameters = parameters
        self.tensors = {k: p.detach().clone() for k, p in parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.tensors.values()), [p.detach() for p in self._parameters.values()], 1 - decay)


@contextmanager
def looked_at(
    parameters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer, average: Average | None
) -> Iterator[None]:
    """Meanwhile the parameters are those to validate and to save: the average, or what the optimizer makes of them.

    Afterwards they are bit for bit what they were, so that looking changes nothing of the run.
    """
    own = averages(optimizer)
    before = {k: p.detach().clone() for k, p in parameters.items()} if own or average else {}
    try:
        if own:
            optimizer.eval()
        if average is not None:
            _copy(average.tensors, parameters)
        yield
    finally:
        if own:
            optimizer.train()
        _copy(before, parameters)


@torch.no_grad()
def _copy(values: Mapping[str, torch.Tensor], into: Mapping[str, torch.Tensor]) -> None:
    for name, value in values.items():
        into[name].copy_(value)
