"""Attention as ACE-Step 1.5 has it, without the dense masks: the window of a sliding layer is cut out block by block,
full layers see no mask unless a batch is padded, and the keys of a condition are computed once per run.

Heads are grouped: queries have more heads than keys. Arrays are [B, heads, L, head size].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from acestep_plugins.backends.pt.norms import inverse_rms, normed, overwriting

# Queries worked on at once, and how many such blocks: small ones waste less of the window's edges, while a GPU would
# rather have few large calls. Of no influence on the result.
_CPU_BLOCK, _CPU_GROUP = 64, 16
_GPU_BLOCK, _GPU_GROUP = 128, 4096


@dataclass(frozen=True)
class Keys:
    """Keys and values of one layer's cross-attention, [B, kv heads, L, head size]."""

    key: torch.Tensor
    value: torch.Tensor


Within = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int, torch.Tensor | None], torch.Tensor]
"""Attention within a window, see `attend_locally`."""


class SelfAttention:
    """Processor of a self-attention module, sliding if the module has a window. Rotary positions, no causality.

    `locally` computes what `attend_locally` does.
    """

    def __init__(self, locally: Within | None = None):
        self.locally = locally or attend_locally

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: None = None,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """`attention_mask` bool [B, L] says which places are no padding; None = all."""
        query = placed(attn.norm_q, _heads(attn.to_q(hidden_states), attn.heads, attn.head_dim), *image_rotary_emb)
        key = placed(attn.norm_k, _heads(attn.to_k(hidden_states), attn.kv_heads, attn.head_dim), *image_rotary_emb)
        value = _heads(attn.to_v(hidden_states), attn.kv_heads, attn.head_dim).transpose(1, 2)
        if attn.sliding_window is None:
            heard = attend(query, key, value, attention_mask)
        else:
            heard = self.locally(query, key, value, attn.sliding_window, attention_mask)
        return attn.to_out[0](heard.transpose(1, 2).flatten(2).to(hidden_states.dtype))


class CrossAttention:
    """Processor of a cross-attention module; the condition is its states, or `Keys` made of them before."""

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | Keys,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: None = None,
    ) -> torch.Tensor:
        query = normed(attn.norm_q, _heads(attn.to_q(hidden_states), attn.heads, attn.head_dim)).transpose(1, 2)
        keys = (
            encoder_hidden_states if isinstance(encoder_hidden_states, Keys) else keys_of(attn, encoder_hidden_states)
        )
        heard = attend(query, keys.key, keys.value, attention_mask)
        return attn.to_out[0](heard.transpose(1, 2).flatten(2).to(hidden_states.dtype))


def keys_of(attn: Any, states: torch.Tensor) -> Keys:
    """What a cross-attention module makes of condition states [B, L, width]."""
    key = normed(attn.norm_k, _heads(attn.to_k(states), attn.kv_heads, attn.head_dim))
    value = _heads(attn.to_v(states), attn.kv_heads, attn.head_dim)
    return Keys(key.transpose(1, 2), value.transpose(1, 2))


def placed(norm: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Heads [B, L, heads, size] normed and turned by their places, [B, heads, L, size]; cos and sin are [L, size]."""
    half = x.shape[-1] // 2
    x = x.transpose(1, 2)
    if not overwriting() or x.dtype is not torch.float32 or x.device.type != "cpu":
        x = normed(norm, x)
        turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
        return (x.float() * cos + turned.float() * sin).to(x.dtype)
    x = x.mul_(inverse_rms(x, norm.eps))  # of the projection's output, which nobody else has
    cos, sin = cos * norm.weight, sin * norm.weight.roll(half)
    first, second = x[..., :half], x[..., half:]
    result = torch.empty(x.shape, dtype=x.dtype)
    torch.mul(first, cos[:, :half], out=result[..., :half]).addcmul_(second, sin[:, :half], value=-1)
    torch.mul(second, cos[:, half:], out=result[..., half:]).addcmul_(first, sin[:, half:])
    return result


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, valid: torch.Tensor | None = None
) -> torch.Tensor:
    """Everything sees everything that is `valid` (bool [B, keys]); without padding no mask stops a flash kernel."""
    mask = None if valid is None else valid[:, None, None, :]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)


def attend_locally(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    window: int,
    valid: torch.Tensor | None = None,
    on_cpu: bool | None = None,
) -> torch.Tensor:
    """Each place sees those at most `window` away, to both sides. Time and memory grow with length, not its square.

    `on_cpu` says what the tensors' device is if they have no values and so no device of their own.
    """
    length, on_cpu = query.shape[2], query.device.type == "cpu" if on_cpu is None else on_cpu
    block, group = (_CPU_BLOCK, _CPU_GROUP) if on_cpu else (_GPU_BLOCK, _GPU_GROUP)
    if length <= window + 1:
        return attend(query, key, value, valid)
    blocks = -(-length // block)
    tail = blocks * block - length
    query = F.pad(query, (0, 0, 0, tail))
    key, value = (F.pad(x, (0, 0, window, window + tail)) for x in (key, value))
    there = F.pad(_all(query.shape[0], length, query.device) if valid is None else valid, (window, window + tail))
    band, own = _band(block, window, query.device)
    heard = []
    for first in range(0, blocks, group):
        last = min(first + group, blocks)
        span = slice(first * block, last * block + 2 * window)
        inside = valid is None and first * block >= window and span.stop <= length + window
        mask = band if inside else band & _windows(there[:, None, span, None], block, window).transpose(2, 3) | own
        part = F.scaled_dot_product_attention(
            _blocks(query[:, :, first * block : last * block], block),
            _windows(key[:, :, span], block, window),
            _windows(value[:, :, span], block, window),
            attn_mask=mask,
            enable_gqa=True,
        )
        heard.append(part.unflatten(0, (query.shape[0], -1)).transpose(2, 3).flatten(1, 2))
    return torch.cat(heard, dim=1)[:, :length].transpose(1, 2)


def _heads(states: torch.Tensor, heads: int, size: int) -> torch.Tensor:
    return states.unflatten(-1, (heads, size))


def _all(batch: int, length: int, device: torch.device) -> torch.Tensor:
    return torch.ones(batch, length, dtype=torch.bool, device=device)


def _band(block: int, window: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(which places a query of a block may see, its own place), bool [block, block + 2 window].

    A place that is padding sees itself and nothing else, so that nothing becomes NaN.
    """
    away = torch.arange(block + 2 * window, device=device) - window - torch.arange(block, device=device)[:, None]
    return away.abs() <= window, away == 0


def _blocks(x: torch.Tensor, block: int) -> torch.Tensor:
    """[B, H, n * block, D] -> [B * n, H, block, D]"""
    return x.unflatten(2, (-1, block)).transpose(1, 2).flatten(0, 1)


def _windows(x: torch.Tensor, block: int, window: int) -> torch.Tensor:
    """[B, H, n * block + 2 window, D] -> [B * n, H, block + 2 window, D]"""
    return x.unfold(2, block + 2 * window, block).permute(0, 2, 1, 4, 3).flatten(0, 1)
