"""RMS norms in few passes over memory; without gradients the CPU gets one of its own."""

from typing import Any

import torch
import torch.nn.functional as F


def overwriting() -> bool:
    """Whether results may go where inputs were: nobody wants gradients, and no compiler plans that itself."""
    return not (torch.is_grad_enabled() or torch.compiler.is_compiling())


def normed(
    norm: Any, x: torch.Tensor, scale: torch.Tensor | None = None, shift: torch.Tensor | None = None
) -> torch.Tensor:
    """RMS norm over the last axis; with `scale` and `shift` [B, 1, width] also modulated: · (1 + scale) + shift."""
    if not overwriting() or x.dtype is not torch.float32 or x.device.type != "cpu":
        y = F.rms_norm(x, x.shape[-1:], norm.weight, norm.eps)
        return y if scale is None else torch.addcmul(shift, y, 1 + scale)
    y = x * inverse_rms(x, norm.eps)  # PyTorch has no fused kernel for the CPU
    if scale is None:
        return y.mul_(norm.weight)
    return torch.addcmul(shift, y, norm.weight * (1 + scale), out=y)


def inverse_rms(x: torch.Tensor, eps: float) -> torch.Tensor:
    """[..., 1] of float32 x [..., width], in one pass over it. Without gradients."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
