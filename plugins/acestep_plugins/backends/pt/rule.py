"""Flow matching as ACE-Step 1.5 is trained: x_t = t·noise + (1 − t)·data, and the model predicts noise − data."""

import torch


def noisy(data: torch.Tensor, noise: torch.Tensor, t: float) -> torch.Tensor:
    """x_t between data (t = 0) and noise (t = 1)."""
    return t * noise + (1 - t) * data


def target(data: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The velocity the model should predict, whatever t is."""
    return noise - data


def mse(prediction: torch.Tensor, target: torch.Tensor, t: float, batch: object) -> torch.Tensor:
    """The default loss: mean square over the song's own frames; nothing is padded."""
    return torch.nn.functional.mse_loss(prediction.float(), target.float())


def stratified(count: int, generator: torch.Generator) -> torch.Tensor:
    """`count` numbers in (0, 1), one in each of `count` equal strata, in random order. float64."""
    places = torch.randperm(count, generator=generator)
    u = (places + torch.rand(count, generator=generator, dtype=torch.float64)) / count
    return u.clamp(1e-7, 1 - 1e-7)
