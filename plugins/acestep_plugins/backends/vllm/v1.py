"""For vLLM up to 0.31: `vllm serve DIR --logits-processors acestep_plugins.backends.vllm.v1:GrammarProcessor`."""

from collections.abc import Sequence
from typing import Any

import torch
from vllm.v1.sample.logits_processor import LogitsProcessor, MoveDirectionality

from acestep_plugins.backends.vllm.masking import rule
from acestep_plugins.backends.vllm.speaker import Speaker, vocabulary_of_server
from acestep_plugins.backends.vllm.wire import read


class GrammarProcessor(LogitsProcessor):
    """Holds each request that brings a grammar to it; rows of others are left alone."""

    @classmethod
    def validate_params(cls, params: Any) -> None:
        read(params.extra_args)

    def __init__(self, vllm_config: Any, device: Any, is_pin_memory: bool):
        self._vocabulary = vocabulary_of_server(vllm_config)
        self._rows: dict[int, tuple[Speaker, Sequence[int]]] = {}

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: Any) -> None:
        """Removed and added first, then moved, as vLLM asks. The list of a row's tokens grows by itself."""
        if batch_update is None:
            return
        for row in batch_update.removed:
            self._rows.pop(row, None)
        for row, params, _, said in batch_update.added:
            self._rows.pop(row, None)
            order = read(params.extra_args)
            if order is not None:
                self._rows[row] = (Speaker(order, self._vocabulary), said)
        for a, b, direction in batch_update.moved:
            moved, replaced = self._rows.pop(a, None), self._rows.pop(b, None)
            if moved is not None:
                self._rows[b] = moved
            if replaced is not None and direction == MoveDirectionality.SWAP:
                self._rows[a] = replaced

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        for row, (speaker, said) in self._rows.items():
            rule(logits[row], speaker, said)
        return logits
