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


def min_snr(t: float, gamma: float) -> float:
    """Weight of a velocity loss at t that equals min-SNR weighting: min((1 − t)², gamma · t²).

    Min-SNR (Hang et al. 2023, arXiv 2303.09556, section 3.4) weights the loss of the predicted *data* with
    min(SNR(t), gamma). Here x_t = t · noise + (1 − t) · data, so SNR(t) = (1 − t)² / t², and with the velocity
    v = noise − data it is data = x_t − t · v: an error of v is an error of the data t times as large,
    |Δdata|² = t² |Δv|². The weight on |Δv|² therefore is t² · min((1 − t)² / t², gamma) = min((1 − t)², gamma · t²).
    It falls to 0 at both ends, and is largest at t = 1 / (1 + √gamma), where the two meet.
    """
    return min((1 - t) ** 2, gamma * t**2)
