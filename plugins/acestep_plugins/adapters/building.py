"""Makes the branches of a stored adapter, after seeing that every one of them fits the model."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from acestep_core import UserError
from acestep_plugins.adapters.attached import AttachedBranches, Saver, layers_of
from acestep_plugins.adapters.branches import (
    Additive,
    Branch,
    Hadamard,
    InputRotation,
    Kronecker,
    Layer,
    LowRank,
    OutputRotation,
)
from acestep_plugins.adapters.loose import Loose, loose_of
from acestep_plugins.adapters.stored import WIDTHS, Stored, block_of
from acestep_plugins.adapters.whole import Whole, check_plain, of_layer

_ADDITIVE: dict[str, type[Additive]] = {"lora": LowRank, "lokr": Kronecker, "loha": Hadamard}
ROTATION = {"use_cayley_neumann": True, "num_cayley_neumann_terms": 5, "coft": False, "eps": 6e-5, "block_share": False}


def attached_stored(stored: Stored, decoder: Any, saver: Saver) -> AttachedBranches:
    """The adapter as it is in its file; `load` fills it. Raises `UserError` before anything is touched."""
    layers = {**layers_of(decoder), **loose_of(decoder)}
    check_fits(stored, layers)
    check_plain({n: layers[n] for n in stored.layers if stored.kind_of(n) == "full"})
    empty = {n: {leaf: torch.zeros_like(t) for leaf, t in leaves.items()} for n, leaves in stored.layers.items()}
    return AttachedBranches(decoder, _branches(stored, empty, lambda n: _inputs(layers[n])), saver, stored)


def stored_branches(stored: Stored) -> dict[str, Branch]:
    """The branches without a model."""
    return _branches(stored, stored.layers, lambda name: _turned(stored.layers[name]["oft_R"]))


def _branches(
    stored: Stored, tensors: Mapping[str, Mapping[str, torch.Tensor]], inputs: Callable[[str], int]
) -> dict[str, Branch]:
    made: dict[str, Any] = {}
    for name, leaves in tensors.items():
        kind = stored.kind_of(name)
        if kind in _ADDITIVE:
            made[name] = _ADDITIVE[kind](leaves)
            made[name].over_base = stored.over_base and leaves.get("magnitude", torch.ones(1, 2)).shape[1] == 1
        elif kind == "full":
            made[name] = Whole(leaves, heard=of_layer(name, leaves))
        elif "oft_R" in leaves:
            facts = {k: stored.config.get(k, default) for k, default in ROTATION.items()}
            made[name] = InputRotation(leaves, inputs(name), facts)
        else:
            made[name] = OutputRotation(leaves, stored.constraints[name])
    return made


def check_fits(stored: Stored, layers: Mapping[str, Layer]) -> None:
    """Raise `UserError`, one sentence for a model of another size, else every layer that does not fit."""
    width, depth = (
        _width(layers),
        max((int(n.split(".")[1]) for n in layers if n.startswith("layers.")), default=-1) + 1,
    )
    if stored.width and width and stored.width != width:
        raise UserError(f"{stored.path} was made for {_model(stored.width)}, this is {_model(width)}",
                        "use it with the model it was trained on")  # fmt: skip
    if stored.depth > depth:
        raise UserError(f"{stored.path} changes layer {stored.depth - 1}, this model has {depth} layers",
                        "was it trained on another size of model (2B, XL)?")  # fmt: skip
    lines = [line for name in stored.layers for line in _problems(stored, name, layers)]
    if lines:
        fitting = len(stored.layers) - len(lines)
        raise UserError(f"{stored.path} does not fit this model, {fitting} of {len(stored.layers)} layers match:\n  "
                        + "\n  ".join(lines), "was it trained on another model?")  # fmt: skip


def _problems(stored: Stored, name: str, layers: Mapping[str, Layer]) -> list[str]:
    if name not in layers:
        return [f"there is no layer {name}"]
    if stored.kind_of(name) == "full":
        return _unlike(name, stored.layers[name], layers[name])
    leaves, outputs, inputs = stored.layers[name], layers[name].weight.shape[0], _inputs(layers[name])
    size = stored.size_of(name)
    if size is None and "oft_blocks" in leaves:
        size = leaves["oft_blocks"].shape[0] * leaves["oft_blocks"].shape[1], inputs
    elif size is None:
        block = block_of(leaves["oft_R"])
        shared = stored.config.get("block_share", False) and inputs % block == 0
        size = outputs, inputs if shared else leaves["oft_R"].shape[0] * block
    wrong = (
        [f"{name} is {outputs} x {inputs} here and {size[0]} x {size[1]} there"] if size != (outputs, inputs) else []
    )
    magnitude = leaves.get("magnitude")
    if not wrong and magnitude is not None and magnitude.numel() != (outputs if magnitude.shape[1] == 1 else inputs):
        wrong = [f"{name} has {magnitude.numel()} magnitudes, it needs {outputs}"]
    return wrong


def _unlike(name: str, leaves: Mapping[str, torch.Tensor], layer: Layer | Loose) -> list[str]:
    owns = {"diff": layer.weight, "diff_b": layer.bias}
    sizes = {leaf: (_size(owns.get(leaf)), _size(tensor)) for leaf, tensor in leaves.items()}
    wrong = [(leaf, here, there) for leaf, (here, there) in sizes.items() if here != there]
    return [f"{leaf} of {name} is {here} here and {there} there" for leaf, here, there in wrong[:1]]


def _size(tensor: torch.Tensor | None) -> str:
    return "nothing" if tensor is None else " x ".join(map(str, tensor.shape))


def _turned(oft: torch.Tensor) -> int:
    return oft.shape[0] * block_of(oft)


def _inputs(layer: Layer) -> int:
    return math.prod(layer.weight.shape[1:])  # a quantised weight may not be indexed


def _width(layers: Mapping[str, Layer]) -> int | None:
    return next((layer.weight.shape[1] for n, layer in layers.items() if n.endswith("self_attn.q_proj")), None)


def _model(width: int) -> str:
    size = f" ({WIDTHS[width]})" if width in WIDTHS else ""
    return f"a model of width {width}{size}"
