"""For vLLM from 0.32 on: `vllm serve DIR --logits-processors acestep_plugins.backends.vllm.v2:GrammarProcessor`."""

from typing import Any

import torch
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor

from acestep_plugins.backends.vllm.masking import rule
from acestep_plugins.backends.vllm.speaker import Speaker, vocabulary_of_server
from acestep_plugins.backends.vllm.wire import read


class GrammarProcessor(LogitsProcessor):
    """Holds each request that brings a grammar to it. Tokens are read back from the device, once a step and row."""

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        read(sampling_params.extra_args)

    def __init__(self, vllm_config: Any, req_states: Any):
        if getattr(vllm_config, "speculative_config", None) is not None:
            raise ValueError("acestep-core's grammar takes no speculative decoding; start the server without it")
        self._vocabulary = vocabulary_of_server(vllm_config)
        self._requests = req_states
        self._speakers: dict[int, Speaker] = {}

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        self._speakers.pop(req_idx, None)  # slots are used again
        order = read(sampling_params.extra_args)
        if order is not None:
            self._speakers[req_idx] = Speaker(order, self._vocabulary)
        return order is not None

    def apply(self, logits: torch.Tensor, ctx: Any) -> torch.Tensor:
        if not self._speakers.keys() & set(ctx.idx_mapping_np.tolist()):
            return logits
        for row, (slot, place) in enumerate(zip(ctx.expanded_idx_mapping.tolist(), ctx.pos.tolist(), strict=True)):
            prompt = int(self._requests.prompt_len.np[slot])
            if slot in self._speakers and place + 1 >= prompt:  # else the prompt is still being read
                said = self._requests.all_token_ids.gpu[slot, prompt : place + 1]
                rule(logits[row], self._speakers[slot], said.tolist())
        return logits
