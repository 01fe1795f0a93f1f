"""What fused kernels of a device leave in memory, for tensors without values: those would be taken apart otherwise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F

from acestep_plugins.backends.pt.device import Place

_HALF = (torch.bfloat16, torch.float16)


@contextmanager
def kernels_of(place: Place) -> Iterator[None]:
    """Meanwhile attention and norms of tensors without values allocate what those of the device do.

    A mode of PyTorch's cannot do this: it is off while layers are computed again on the way back.
    """
    on_cpu = place.device.type == "cpu"
    norm, attention = F.rms_norm, F.scaled_dot_product_attention

    def normed(x: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        return _Normed.apply(x) if x.is_meta and not on_cpu else norm(x, *given, **named)

    def attended(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **named: Any) -> torch.Tensor:
        if query.is_meta and on_cpu:
            return _on_cpu(query, key, value, named.get("attn_mask"))
        if query.is_meta and query.dtype in _HALF and named.get("attn_mask") is None:
            return Flash.apply(query, key, value)
        return attention(query, key, value, **named)

    with _put(F, "rms_norm", normed), _put(F, "scaled_dot_product_attention", attended):
        yield


def within(place: Place, kernel: str) -> Callable[..., torch.Tensor]:
    """Attention of sliding layers as `windows.kernel` has it."""
    from acestep_plugins.backends.pt.attention import attend_locally

    if kernel != "local":
        return lambda query, key, value, window, valid=None: Flash.apply(query, key, value)
    return lambda *given: attend_locally(*given, on_cpu=place.device.type == "cpu")


class Flash(torch.autograd.Function):
    """FlashAttention 2: the result and a float32 number per query stay. Going back, it adds up in float32, and makes
    as many heads of keys and values as there are of queries."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        result = torch.empty_like(query)
        sums = query.new_empty(query.shape[:3], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, result, sums)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        query, key, value, result, sums = ctx.saved_tensors
        every = [x.new_empty(*query.shape[:2], *x.shape[2:]) for x in (key, value)]
        total, turned = torch.empty_like(query, dtype=torch.float32), torch.empty_like(sums)
        found = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        del every, total, turned
        return found


class _Normed(torch.autograd.Function):
    """The fused norm of GPUs keeps its input and a float32 number per row."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, x.new_empty(x.shape[:-1], dtype=torch.float32))
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return torch.empty_like(ctx.saved_tensors[0])


def _on_cpu(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if mask is not None and mask.dtype is torch.bool:
        mask = torch.zeros(mask.shape, dtype=query.dtype, device=mask.device)
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, attn_mask=mask)[0]


@contextmanager
def _put(module: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, before)
