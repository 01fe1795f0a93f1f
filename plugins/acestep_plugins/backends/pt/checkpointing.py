"""Layers computed twice: their activations are let go of and made again on the way back, to save memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


class Run(Enum):
    """Of a layer: the only one, or the first or second of two. What the second returns is used by nobody."""

    ONLY = 0
    FIRST = 1
    SECOND = 2


_run = ContextVar("run", default=Run.ONLY)


def current_run() -> Run:
    """Of the layer that is being computed."""
    return _run.get()


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
        if id(layer) not in twice:
            return layer(*given)
        return checkpoint(layer, *given, use_reentrant=False, context_fn=_both_runs)

    decoder.enable_gradient_checkpointing(run)
    try:
        yield
    finally:
        decoder.disable_gradient_checkpointing()


def _both_runs() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return _running(Run.FIRST), _running(Run.SECOND)


@contextmanager
def _running(run: Run) -> Iterator[None]:
    before = _run.set(run)
    try:
        yield
    finally:
        _run.reset(before)
