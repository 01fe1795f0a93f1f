"""The change of a whole weight and its bias: added up in float32 first, so that the layer computes once.

While it is trained no changed weight is kept for the way back, where it is made again. One that is only heard is kept,
in the precision of the layer, and the float32 numbers it is made of stay in the machine's memory.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call

from acestep_core import UserError
from acestep_plugins.adapters.branches import Additive, Layer

WEIGHT, BIAS = "diff", "diff_b"  # as LyCORIS and ComfyUI call them


class Whole(Additive):
    """W + strength · diff, b + strength · diff_b."""

    kind = "full"

    def __init__(self, tensors: Mapping[str, torch.Tensor], heard: bool = False):
        super().__init__(tensors)
        self._heard, self._kept = heard, None
        self._first = self.diff._version

    def delta(self, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        return self.diff

    def changes(self) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
        bias = {"bias": lambda b: b + self.diff_b} if self.own_leaf(BIAS) is not None else {}
        return super().changes() | bias

    def forward(self, layer: Layer, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (self.alone(layer, x) - y) / self.strength

    def alone(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        if type(layer) is nn.Linear and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            diffs = (None if t is None else t.to(x.device) for t in map(self.own_leaf, (WEIGHT, BIAS)))
            return _Changed.apply(x, layer.weight, layer.bias, *diffs, self.strength, self._untrained())
        if self._untrained() and not torch.is_grad_enabled():
            return layer(x)
        sums = self._sums(layer) if self._kept is None or torch.is_grad_enabled() else self._kept
        if type(layer) is nn.Linear:
            return F.linear(x, sums["weight"], sums.get("bias"))
        return functional_call(layer, sums, (x,))

    def place(self, device: torch.device) -> None:
        if not self._heard:
            self.to(device)

    @torch.no_grad()
    def settle(self, layer: Layer) -> None:
        with torch.inference_mode(False):
            self._kept = self._sums(layer) if self._heard and self.strength else None

    def _untrained(self) -> bool:
        """Then the layer itself computes, to the bit: results may depend on where in memory a weight begins."""
        return not torch.compiler.is_compiling() and self.diff._version == self._first

    def _sums(self, layer: Layer) -> dict[str, torch.Tensor]:
        sums = {"weight": added_up(layer.weight, self.diff, self.strength)}
        if layer.bias is not None:
            diff = self.own_leaf(BIAS)
            sums["bias"] = layer.bias if diff is None else added_up(layer.bias, diff, self.strength)
        return sums


class _Changed(torch.autograd.Function):
    """A linear layer with a change of its weight: the gradients of its input and of the change."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, diff: torch.Tensor,
                diff_b: torch.Tensor | None, strength: float, untrained: bool) -> torch.Tensor:  # fmt: skip
        ctx.save_for_backward(x, weight, diff)
        ctx.strength = strength
        if untrained:
            return F.linear(x, weight, bias)
        changed = bias if diff_b is None else added_up(bias, diff_b, strength)
        return F.linear(x, added_up(weight, diff, strength), changed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, diff = ctx.saved_tensors
        of_input = gradient @ added_up(weight, diff, ctx.strength) if ctx.needs_input_grad[0] else None
        rows, of_bias = gradient.flatten(0, -2), None
        if ctx.needs_input_grad[4]:
            of_bias = rows.sum(0, dtype=torch.float32) * ctx.strength
        return of_input, None, None, (rows.T @ x.flatten(0, -2)).float() * ctx.strength, of_bias, None, None


def added_up(base: torch.Tensor, change: torch.Tensor, strength: float) -> torch.Tensor:
    """In the precision of the base; the sum itself is float32."""
    return torch.add(base, change.to(base.device), alpha=strength).to(base.dtype)


def of_layer(name: str, leaves: Mapping[str, torch.Tensor]) -> bool:
    """Whether a layer multiplies with what is changed: no norm, no table, no transposed convolution."""
    return leaves[WEIGHT].ndim > 1 and not name.endswith("scale_shift_table") and name != "proj_out.1"


def check_plain(layers: Mapping[str, Any]) -> None:
    """Raise `UserError` if one of them has weights that cannot be added to."""
    odd = next((name for name, layer in layers.items() if type(layer.weight.data) is not torch.Tensor), None)
    if odd is not None:
        raise UserError(f"{odd} has 8-bit weights, to which the adapter 'full' cannot add anything",
                        "use -o backend.quantization=none")  # fmt: skip
