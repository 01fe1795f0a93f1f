"""torch.compile for the decoder, block by block: the blocks share their code, so two graphs serve all of them.

Adapters change blocks under the compiled code; torch notices and compiles anew. It would go on uncompiled without a
word after a number of such changes, so old code is dropped before that.
"""

import shutil
from collections.abc import Iterator

import torch
from torch import nn

from acestep_core import UserError
from acestep_plugins.backends.pt.attention import SelfAttention, attend_locally

_VERSIONS = 64  # of one piece of code, before torch gives up on it
_CHANGES = 8  # of the decoder, after which the old versions are dropped


class Compiled:
    """A compiled decoder. Call `heed` before it is used."""

    def __init__(self, decoder: nn.Module):
        _check_compiler(next(decoder.parameters()).device)
        config = torch._dynamo.config
        config.recompile_limit = max(config.recompile_limit, _VERSIONS)
        config.fail_on_recompile_limit_hit = True
        self._decoder = decoder
        for layer in decoder.layers:
            if layer.self_attn.sliding_window is not None and layer.self_attn.processor.locally is attend_locally:
                layer.self_attn.set_processor(SelfAttention(locally=attend_locally_whole))
            layer.compile(dynamic=True)
        self._known, self._changes = set(_structure(decoder)), 0

    def heed(self) -> None:
        """Notice adapters that came or went."""
        now = set(_structure(self._decoder))
        if now != self._known:
            self._known, self._changes = now, self._changes + 1
        if self._changes >= _CHANGES:
            torch.compiler.reset()
            self._changes = 0


def attend_locally_whole(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int, valid: torch.Tensor | None = None
) -> torch.Tensor:
    """`attend_locally` as one operation to the compiler, which otherwise makes new code for every number of blocks."""
    local = attend_locally if torch.is_grad_enabled() else _attend_locally
    return local(query, key, value, window, valid)


@torch.library.custom_op("acestep_core::attend_locally", mutates_args=())
def _attend_locally(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int, valid: torch.Tensor | None
) -> torch.Tensor:
    return attend_locally(query, key, value, window, valid).clone(memory_format=torch.contiguous_format)


@_attend_locally.register_fake
def _(query, key, value, window, valid):
    return query.new_empty(query.shape)


def _structure(decoder: nn.Module) -> Iterator[tuple[int, int]]:
    """Every module with what it computes: LyCORIS puts its own `forward` on a layer."""
    return ((id(m), id(m.__dict__.get("forward"))) for m in decoder.modules())


def _check_compiler(device: torch.device) -> None:
    if device.type == "cpu" and not any(shutil.which(c) for c in ("g++", "clang++", "cl")):
        raise UserError("compile=true needs a C++ compiler, and there is none", "install g++, or leave out compile")
