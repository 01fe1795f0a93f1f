"""Ways to attend within a window, and which of them this machine has.

`local` cuts the window out in blocks with PyTorch alone; `flex` is PyTorch's FlexAttention compiled for the device;
`flash` is the package flash-attn. They agree to rounding. Arrays are [B, heads, L, head size].
"""

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F

from acestep_core import UserError
from acestep_plugins.backends.pt.attention import Within, attend, attend_locally
from acestep_plugins.backends.pt.device import Place

Kernel = Literal["auto", "local", "flex", "flash"]


def chosen(asked: Kernel, place: Place) -> str:
    """The kernel that 'auto' means here, or the one asked for. Raises `UserError` for one this machine cannot run.

    'auto' never means flex: it compiles for seconds at every new length, which only long runs win back.
    """
    if asked == "auto":
        return "local" if _obstacle("flash", place) else "flash"
    obstacle = _obstacle(asked, place)
    if obstacle:
        raise UserError(f"attention={asked} is not possible here: {obstacle}", "use attention=auto or attention=local")
    return asked


def kernel(name: str) -> Within:
    """By a name that `chosen` gave."""
    return {"local": attend_locally, "flex": attend_by_flex, "flash": attend_by_flash}[name]


def attend_by_flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int, valid: torch.Tensor | None = None
) -> torch.Tensor:
    """Items of a padded batch one by one: flash-attn has no mask, and `valid` places come first."""
    from flash_attn import flash_attn_func

    def flash(*given: torch.Tensor) -> torch.Tensor:
        return flash_attn_func(*given, window_size=(window, window))

    arrays = [x.transpose(1, 2) for x in (query, key, value)]
    if valid is None:
        return flash(*arrays).transpose(1, 2)
    longest, heard = query.shape[2], []
    for item, length in enumerate(valid.sum(1).tolist()):
        alone = flash(*(x[item : item + 1, :length] for x in arrays))
        heard.append(F.pad(alone, (0, 0, 0, 0, 0, longest - length)))
    return torch.cat(heard).transpose(1, 2)


def attend_by_flex(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int, valid: torch.Tensor | None = None
) -> torch.Tensor:
    """With a mask of blocks that is made once for a length, or once for a padded batch."""
    length = query.shape[2]
    if length <= window + 1:
        return attend(query, key, value, valid)
    mask = _mask(length, window, query.device) if valid is None else _padded_mask(valid, window)
    return _flex()(query, key, value, block_mask=mask, enable_gqa=True)


@lru_cache(maxsize=1)
def _flex() -> Callable[..., torch.Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


@lru_cache(maxsize=8)
def _mask(length: int, window: int, device: torch.device) -> object:
    from torch.nn.attention.flex_attention import create_block_mask

    with torch.inference_mode(False):  # what is kept must serve training too
        return create_block_mask(
            lambda b, h, i, j: (i - j).abs() <= window, B=None, H=None, Q_LEN=length, KV_LEN=length, device=device
        )


@lru_cache(maxsize=2)
def _padded_mask(valid: torch.Tensor, window: int) -> object:
    """A place that is padding sees itself and nothing else, so that nothing becomes NaN."""
    from torch.nn.attention.flex_attention import create_block_mask

    batch, length = valid.shape
    return create_block_mask(
        lambda b, h, i, j: (((i - j).abs() <= window) & valid[b, j]) | (i == j),
        B=batch, H=None, Q_LEN=length, KV_LEN=length, device=valid.device,
    )  # fmt: skip


def _obstacle(name: str, place: Place) -> str:
    """Why a kernel cannot run, empty if it can."""
    if name == "local":
        return ""
    if place.device.type != "cuda":
        return f"it needs a CUDA device, not {place.device.type}"
    package = {"flex": "triton", "flash": "flash_attn"}[name]
    if importlib.util.find_spec(package) is None:
        return f"the package {package} is not installed"
    if name == "flex":
        return ""
    if place.dtype not in (torch.bfloat16, torch.float16):
        return f"it needs bfloat16 or float16, not {str(place.dtype).removeprefix('torch.')}"
    return "" if torch.cuda.get_device_capability(place.device) >= (8, 0) else "it needs an Ampere GPU or a newer one"
