"""Layers computed twice: their activations are let go of and made again on the way back, to save memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


def chosen(layers: int, share: float) -> list[int]:
    """Which of so many layers: the share of them, spread evenly, the last one first."""
    return [i for i in range(layers) if int((i + 1) * share + 1e-9) > int(i * share + 1e-9)]


@contextmanager
def checkpointing(decoder: Any, share: float) -> Iterator[None]:
    """Meanwhile that share of the decoder's layers is computed twice, by the non-reentrant kind of checkpoint."""
    twice = {id(decoder.layers[i]) for i in chosen(len(decoder.layers), share)}
    if not twice:
        yield
        return

    def run(layer: torch.nn.Module, *given: Any) -> Any:
        return checkpoint(layer, *given, use_reentrant=False) if id(layer) in twice else layer(*given)

    decoder.enable_gradient_checkpointing(run)
    try:
        yield
    finally:
        decoder.disable_gradient_checkpointing()
