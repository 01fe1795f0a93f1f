"""A layer's MLP that keeps little for the way back: not the product of its halves, and nothing but the input where a
layer is computed twice. There the second run leaves it out, and its gradient is made span by span of the tokens.
"""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.transformers.ace_step_transformer import AceStepMLP
from torch import nn
from torch.autograd.function import once_differentiable

from acestep_plugins.backends.pt.checkpointing import Run, current_run
from acestep_plugins.backends.pt.norms import overwriting

# Tokens of a span: fewer take less memory, until products of matrices become slow.
_SPAN = 512


class Mlp(AceStepMLP):
    """SwiGLU. Takes the place of the class of an MLP that diffusers built: modules, names and hooks stay."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if overwriting():
            gate = F.silu(self.gate_proj(x), inplace=True)
            return self.down_proj(gate.mul_(self.up_proj(x)))
        linears = (self.gate_proj, self.up_proj, self.down_proj)
        if torch.compiler.is_compiling() or not x.requires_grad or not all(map(_untouched, linears)):
            return super().forward(x)
        return _Frozen.apply(x, self, current_run())


class _Frozen(torch.autograd.Function):
    """Of an MLP whose weights want no gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, mlp: Mlp, run: Run) -> torch.Tensor:
        ctx.mlp, ctx.kept = mlp, run is Run.ONLY
        if ctx.kept:
            gate, up = mlp.gate_proj(x), mlp.up_proj(x)
            ctx.save_for_backward(gate, up)
            return mlp.down_proj(F.silu(gate).mul_(up))
        ctx.save_for_backward(x)
        if run is Run.SECOND:
            return x.new_zeros(()).expand(*x.shape[:-1], mlp.down_proj.out_features)
        return torch.cat([mlp.down_proj(F.silu(mlp.gate_proj(s)).mul_(mlp.up_proj(s))) for s in _spans(x)], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        mlp, spans = ctx.mlp, zip(*map(_spans, (gradient, *ctx.saved_tensors)), strict=True)
        if ctx.kept:
            parts = [_gradient(mlp, *span) for span in spans]
        else:
            parts = [_gradient(mlp, g, mlp.gate_proj(x), mlp.up_proj(x)) for g, x in spans]
        return torch.cat(parts, dim=1), None, None


def _gradient(mlp: Mlp, gradient: torch.Tensor, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Of the input, given that of the output [B, L, width]."""
    of_product = gradient @ mlp.down_proj.weight
    of_gate = of_product * up
    torch.ops.aten.silu_backward.grad_input(of_gate, gate, grad_input=of_gate)
    of_input = of_gate @ mlp.gate_proj.weight
    of_up = torch.mul(of_product, F.silu(gate), out=of_product)
    return of_input.add_(of_up @ mlp.up_proj.weight)


def _untouched(linear: nn.Module) -> bool:
    """Whether its result is x · weightᵀ and nothing but x wants a gradient: no adapter, no 8 bits, nobody listening."""
    return (
        type(linear) is nn.Linear
        and linear.bias is None
        and type(linear.weight.data) is torch.Tensor
        and not linear.weight.requires_grad
        and not (linear._forward_hooks or linear._forward_pre_hooks or linear._backward_hooks)
        and "forward" not in vars(linear)
    )


def _spans(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """[B, L, width] in pieces of nearly the same length."""
    return x.chunk(-(-x.shape[0] * x.shape[1] // _SPAN), dim=1)
