"""What an adapter adds to one layer, as separate branches beside it: the layer's own weight is never changed.

A branch knows its change at full strength; how much of it is heard is `strength`, so that
y = layer(x) + Σ strength · branch(x) whatever the kinds, and the order of attaching plays no part. The mathematics of
LoKr, LoHa and block rotations are LyCORIS', of OFT PEFT's; weight decomposition (DoRA) works with all but rotations.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from lycoris.functional.diag_oft import bypass_forward_diff as turned_outputs
from lycoris.functional.diag_oft import diff_weight as turned_weight
from lycoris.functional.loha import diff_weight as hadamard
from lycoris.functional.lokr import kron_bypass, kron_weight
from peft.tuners.oft.layer import OFTRotationModule
from torch import nn

Layer = nn.Linear | nn.Conv1d


class Branch(nn.Module):
    """Float32 tensors; computes in the precision of what comes in."""

    kind: str
    needs_base = False
    """Whether the change depends on the layer's weight."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]):
        super().__init__()
        self.strength = 1.0
        for leaf, tensor in tensors.items():
            with torch.inference_mode(False):
                self.register_parameter(leaf, nn.Parameter(tensor.detach().float().clone()))

    def leaves(self) -> dict[str, nn.Parameter]:
        """Tensors by their names here, as they are trained."""
        return dict(self.named_parameters())

    def folded(self) -> dict[str, torch.Tensor]:
        """Tensors as they are saved: nothing but them says how strong the change is."""
        return {leaf: tensor.detach() for leaf, tensor in self.leaves().items()}

    def unfold(self) -> None:
        """After tensors as saved were copied in."""

    def forward(self, layer: Layer, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The change of the layer's output y at x, at full strength."""
        raise NotImplementedError

    def changed(self, weight: torch.Tensor) -> torch.Tensor:
        """The layer's weight, given in float32, as it is at full strength."""
        raise NotImplementedError

    def changes(self) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
        """What makes of the layer's weight, and of its bias where that changes, the changed one; in float32."""
        return {"weight": self.changed}

    def alone(self, layer: Layer, x: torch.Tensor) -> torch.Tensor | None:
        """What the layer gives at this strength when nothing else changes it, where that is one product, not two."""
        return None

    def place(self, device: torch.device) -> None:
        """Go where the layer is."""
        self.to(device)

    def settle(self, layer: Layer) -> None:
        """Tensors or strength have changed."""

    def own_leaf(self, leaf: str) -> nn.Parameter | None:
        return self._parameters.get(leaf)


class Additive(Branch):
    """ΔW does not depend on the weight, unless it is decomposed: then W' = m · (W + ΔW) / ‖W + ΔW‖."""

    over_base = False
    """Whether magnitudes of outputs are over ‖W‖ instead, as ComfyUI has them (weight_decompose in its source)."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], dropout: float = 0.0):
        super().__init__(tensors)
        self.dropout = dropout
        self.needs_base = "magnitude" in tensors
        self._kept: tuple[Any, torch.Tensor] | None = None

    def delta(self, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        """ΔW in the shape of the layer's weight, without decomposition."""
        raise NotImplementedError

    def added(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        """ΔW·x."""
        return applied(layer, x, self.delta(layer.weight.shape).to(x.dtype))

    def decompose(self, weight: torch.Tensor) -> None:
        """Begin with the magnitudes that the weight has."""
        with torch.no_grad(), torch.inference_mode(False):
            m = norms(plain(weight) + self.delta(weight.shape), on_output=True)
            self.magnitude = nn.Parameter(m.clone())
        self.needs_base = True

    def forward(self, layer: Layer, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if not self.needs_base:
            return self.added(layer, self._dropped(x))
        gain, on_output = self._gain(layer), self.magnitude.shape[1] == 1
        if on_output:
            gain = _along(gain, layer)
            return without_bias(layer, y) * (gain - 1).to(y) + self.added(layer, self._dropped(x)) * gain.to(y)
        louder = x * _along(gain, layer).to(x)
        return applied(layer, louder - x, layer.weight) + self.added(layer, louder)

    def changed(self, weight: torch.Tensor) -> torch.Tensor:
        total = weight + self.delta(weight.shape)
        if not self.needs_base:
            return total
        on_output = self.magnitude.shape[1] == 1
        gain = self.magnitude / norms(weight if self.over_base else total, on_output)
        return total * gain.view(*gain.shape, *[1] * (total.ndim - 2))

    def magnitude_over(self, weight: torch.Tensor, over_base: bool) -> torch.Tensor:
        """The magnitudes with which the change of this weight stays the same over the other norm."""
        if self.magnitude.shape[1] != 1 or over_base == self.over_base:
            return self.magnitude
        own, total = norms(weight, True), norms(weight + self.delta(weight.shape), True)
        return self.magnitude * (own / total if over_base else total / own)

    def _gain(self, layer: Layer) -> torch.Tensor:
        """m / ‖W + ΔW‖; the norm is a constant to the gradient (DoRA, arXiv 2402.09353, section 4.3)."""
        training = torch.is_grad_enabled() and self.training
        versions = None if training or torch.compiler.is_compiling() else tuple(p._version for p in self.parameters())
        if versions is not None and self._kept is not None and self._kept[0] == versions:
            return self._kept[1]
        with torch.no_grad():
            weight = plain(layer.weight)
            total = weight if self.over_base else weight + self.delta(layer.weight.shape)
            norm = norms(total, self.magnitude.shape[1] == 1)
        gain = self.magnitude / norm
        self._kept = None if versions is None else (versions, gain.detach())
        return gain

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class LowRank(Additive):
    """LoRA: ΔW = factor · up · down; the factor is alpha / rank while training."""

    kind = "lora"
    factor = 1.0

    def folded(self) -> dict[str, torch.Tensor]:
        tensors = super().folded()
        return tensors | {"up": tensors["up"] * self.factor}

    def unfold(self) -> None:
        with torch.no_grad():
            self.up /= self.factor

    def delta(self, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        return (self.up.flatten(1) @ self.down.flatten(1)).view(shape) * self.factor

    def added(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        if isinstance(layer, nn.Conv1d):
            return super().added(layer, x)
        return F.linear(F.linear(x, self.down.to(x.dtype)) * self.factor, self.up.to(x.dtype))


class Kronecker(Additive):
    """LoKr: ΔW = w1 ⊗ w2, each whole or a product; of linear layers ΔW is never built."""

    kind = "lokr"
    LEAVES = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")

    def delta(self, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        return kron_weight(*map(self.own_leaf, self.LEAVES), scale=1.0).reshape(shape)

    def added(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        if isinstance(layer, nn.Conv1d):
            return super().added(layer, x)
        tensors = [None if t is None else t.to(x.dtype) for t in map(self.own_leaf, self.LEAVES)]
        return kron_bypass(x, *tensors, scale=1.0)


class Hadamard(Additive):
    """LoHa: ΔW = (w1_a · w1_b) ⊙ (w2_a · w2_b)."""

    kind = "loha"
    LEAVES = ("hada_w1_b", "hada_w1_a", "hada_w2_b", "hada_w2_a", "hada_t1", "hada_t2")

    def delta(self, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        one = torch.ones((), device=self.hada_w1_a.device)
        return hadamard(*map(self.own_leaf, self.LEAVES), gamma=one).reshape(shape)


class InputRotation(Branch):
    """OFT as PEFT has it: blocks of the input are turned before the layer sees them."""

    kind = "oft"
    needs_base = True

    def __init__(self, tensors: Mapping[str, torch.Tensor], inputs: int, facts: Mapping[str, Any]):
        super().__init__({})
        blocks, elements = tensors["oft_R"].shape
        size = round((1 + (1 + 8 * elements) ** 0.5) / 2)
        self.rotation = OFTRotationModule(blocks, elements, size, inputs, **facts).to(tensors["oft_R"].device)
        with torch.no_grad(), torch.inference_mode(False):
            self.rotation.weight = nn.Parameter(tensors["oft_R"].detach().float().clone())

    def leaves(self) -> dict[str, nn.Parameter]:
        return {"oft_R": self.rotation.weight}

    def alone(self, layer: Layer, x: torch.Tensor) -> torch.Tensor | None:
        return layer(self.rotation(x)) if self.strength == 1.0 else None

    def forward(self, layer: Layer, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return layer(self.rotation(x)) - y

    def changed(self, weight: torch.Tensor) -> torch.Tensor:
        self.rotation.in_features = weight.shape[1]  # a file with shared blocks does not tell
        return weight @ self.rotation.get_weight().T


class OutputRotation(Branch):
    """OFT as LyCORIS has it (diag-oft): blocks of the output are turned, and may be made longer."""

    kind = "oft"
    needs_base = True

    def __init__(self, tensors: Mapping[str, torch.Tensor], constraint: float):
        super().__init__(tensors)
        self.constraint = constraint

    def forward(self, layer: Layer, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        along = isinstance(layer, nn.Conv1d)
        given = (self.oft_blocks, self.own_leaf("rescale"))
        change = turned_outputs(x, without_bias(layer, y), *given, constraint=self._limit(), need_transpose=along)
        return change.to(y.dtype)

    def changed(self, weight: torch.Tensor) -> torch.Tensor:
        given = (self.oft_blocks, self.own_leaf("rescale"))
        return weight + turned_weight(weight, *given, constraint=self._limit())

    def _limit(self) -> float:
        return self.constraint * self.oft_blocks.shape[0] * self.oft_blocks.shape[1]


def applied(layer: Layer, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """What the layer does, with another weight and no bias."""
    if isinstance(layer, nn.Conv1d):
        return F.conv1d(x, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    return F.linear(x, weight)


def without_bias(layer: Layer, y: torch.Tensor) -> torch.Tensor:
    if layer.bias is None:
        return y
    return y - (layer.bias[:, None] if isinstance(layer, nn.Conv1d) else layer.bias)


def plain(weight: torch.Tensor) -> torch.Tensor:
    """float32 values of a weight that may be quantised."""
    return (weight if type(weight.data) is torch.Tensor else weight.dequantize()).float()


def norms(weight: torch.Tensor, on_output: bool) -> torch.Tensor:
    """[out, 1] of rows, or [1, in] of columns."""
    if on_output:
        return weight.flatten(1).norm(dim=1)[:, None]
    return weight.transpose(0, 1).flatten(1).norm(dim=1)[None]


def _along(gain: torch.Tensor, layer: Layer) -> torch.Tensor:
    """[out, 1] or [1, in] so that it multiplies channels: the last axis, of a convolution the middle one."""
    return gain.flatten()[:, None] if isinstance(layer, nn.Conv1d) else gain.flatten()
