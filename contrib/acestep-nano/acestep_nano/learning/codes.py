"""Learns the audio tokens: the tokenizer and detokenizer of a DiT, which make 5 Hz codes of latents, and the way back.

Nothing else depends on a model at this point, so that this is a plain loop; it takes minutes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from acestep_core.codes import CODE_FRAMES
from acestep_core.seeds import derived_seed
from acestep_nano.learning.descent import descend
from acestep_nano.learning.library import Learnt

_FRAMES = 50 * CODE_FRAMES
_RATE = 2e-3
_WARM = 0.05  # of the steps


def learn_codes(
    dit: Any,
    pieces: Sequence[Learnt],
    steps: int,
    batch_size: int,
    seed: int,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> dict[str, torch.Tensor]:
    """Train both on `pieces`; their tensors under the names of a checkpoint."""
    parts = {"tokenizer": dit.tokenizer, "detokenizer": dit.detokenizer}
    _pass_gradients(dit.tokenizer.quantizer)
    learnt = [p.requires_grad_(True) for module in parts.values() for p in module.parameters()]
    optimizer = torch.optim.AdamW(learnt, lr=_RATE)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: _share(done + 1, steps))
    rng = np.random.default_rng(derived_seed(seed, "codes"))
    for step in range(1, steps + 1):
        latents = torch.from_numpy(_crops(pieces, batch_size, rng)).to(dit.device_name)
        quantized, _ = dit.tokenizer.tokenize(latents)
        loss = F.mse_loss(dit.detokenizer(quantized), latents)
        descend(loss, optimizer, rates)
        on_step(step, loss.item())
    del dit.tokenizer.quantizer._quantize  # the class's own again
    for parameter in learnt:
        parameter.requires_grad_(False)
    return {f"{part}.{key}": value for part, module in parts.items() for key, value in module.state_dict().items()}


def _pass_gradients(quantizer: Any) -> None:
    """Rounding has no gradient: what comes back passes it as if it had not been."""
    rounded = quantizer._quantize
    quantizer._quantize = lambda x: x + (rounded(x) - x).detach()


def _share(step: int, steps: int) -> float:
    """Of the rate, at a step."""
    warm = max(1, round(_WARM * steps))
    return min(step / warm, 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01)


def _crops(pieces: Sequence[Learnt], count: int, rng: np.random.Generator) -> np.ndarray:
    """[count, frames, 64]; single tracks now and then, since they are made codes of too."""
    rows = []
    for index in rng.integers(0, len(pieces), count):
        piece = pieces[index]
        latents = piece.alone if piece.alone is not None and rng.random() < 0.5 else piece.latents
        start = int(rng.integers(0, max(1, len(latents) - _FRAMES + 1)))
        row = latents[start : start + _FRAMES]
        rows.append(np.pad(row, ((0, _FRAMES - len(row)), (0, 0)), mode="edge"))
    return np.stack(rows).astype(np.float32)
