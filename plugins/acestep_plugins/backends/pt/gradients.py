"""How large the gradients of the frozen weights are. A gradient is measured and let go of as soon as it is there, so
that no two layers' gradients are held at once.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from acestep_core import UserError
from acestep_core.errors import FatalError
from acestep_core.jobs import GradientJob, LayerGradients
from acestep_plugins.backends.pt import batches, rule
from acestep_plugins.backends.pt.checkpointing import checkpointing
from acestep_plugins.backends.pt.memory import shortage_in_training
from acestep_plugins.backends.pt.quantised import is_quantised
from acestep_plugins.backends.pt.train import LOSS_SCALE


def gradients(job: GradientJob) -> dict[str, LayerGradients]:
    """Of each linear layer in the decoder's blocks, by original name."""
    layers = {n: m for n, m in job.dit.decoder.linears().items() if n.startswith("layers.")}
    if any(is_quantised(m) for m in layers.values()):
        raise FatalError("8-bit weights have no gradients", "use -o backend.quantization=none")
    decoder, looks = job.dit.decoder.module, []
    decoder.requires_grad_(False)
    weights = {n: m.weight for n, m in layers.items()}
    with checkpointing(decoder, job.checkpointing), squared_norms(weights) as squares:
        for t, seed in job.looks:
            _backward(job, t, seed)
            looks.append(_finite(job, t, dict(squares)))
            squares.clear()
    return {n: LayerGradients(m.in_features, m.out_features, [look[n] for look in looks]) for n, m in layers.items()}


@contextmanager
def squared_norms(weights: Mapping[str, nn.Parameter]) -> Iterator[dict[str, torch.Tensor]]:
    """By name, the sum of the squared gradient of each weight, filled by a backward pass. No gradient stays."""
    found: dict[str, torch.Tensor] = {}

    def measured(name: str, weight: nn.Parameter) -> None:
        found[name] = torch.linalg.vector_norm(weight.grad, dtype=torch.float32).double().square()
        weight.grad = None

    handles = []
    try:
        for name, weight in weights.items():
            weight.requires_grad_(True)
            handles.append(weight.register_post_accumulate_grad_hook(lambda w, name=name: measured(name, w)))
        yield found
    finally:
        for handle in handles:
            handle.remove()
        for weight in weights.values():
            weight.requires_grad_(False)
            weight.grad = None


def _backward(job: GradientJob, t: float, seed: int) -> None:
    """Of the training loss, times `LOSS_SCALE`."""
    less = "give --gradient-checkpointing 1, or encode shorter songs"
    with shortage_in_training(lambda: f"the gradients of {job.song.name}", less):
        item = batches.fixed(job.dit, job.song, t, seed)
        (prediction,) = batches.predictions(job.dit, [item])
        loss = rule.mse(prediction, item.target, t, job.song)
        (loss * _scale(job)).backward()


def _finite(job: GradientJob, t: float, squares: Mapping[str, torch.Tensor]) -> dict[str, float]:
    found = {name: value.item() / _scale(job) ** 2 for name, value in squares.items()}
    if not all(map(math.isfinite, found.values())):
        raise UserError(
            f"The gradients of {job.song.name} are NaN or infinite at t = {t:.3f}",
            "try -o backend.dtype=float32, or leave this song out",
        )
    return found


def _scale(job: GradientJob) -> float:
    return LOSS_SCALE.get(job.dit.dtype_name, 1.0)
