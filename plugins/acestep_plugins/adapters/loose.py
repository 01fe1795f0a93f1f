"""Weights that modules read by themselves: norms, tables of modulation, the transposed convolution at the end.

Nothing can stand beside those, so the attribute gives the sum. As PyTorch's parametrization, but with one class for all
modules of a kind: compiled code serves every layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import nn

from acestep_plugins.adapters.whole import BIAS, WEIGHT, Whole

_LEAVES = {".weight": WEIGHT, ".bias": BIAS}


class Sum(nn.Module):
    """A weight with all its changes."""

    def __init__(self, original: nn.Parameter, leaf: str):
        super().__init__()
        self.original, self.leaf, self.branches = original, leaf, nn.ModuleList()

    def forward(self) -> torch.Tensor:
        total = self.original.float()
        for branch in self.branches:
            total = torch.add(total, getattr(branch, self.leaf), alpha=branch.strength)
        return total.to(self.original.dtype)


@dataclass
class Loose:
    """(module, attribute) of a weight, and of its bias where it has one, by the leaf that changes it."""

    tensors: dict[str, tuple[nn.Module, str]] = field(default_factory=dict)

    @property
    def weight(self) -> torch.Tensor:
        """As it is without changes."""
        return _base(*self.tensors[WEIGHT])

    @weight.setter
    def weight(self, parameter: nn.Parameter) -> None:
        _set_base(*self.tensors[WEIGHT], parameter)

    @property
    def bias(self) -> torch.Tensor | None:
        return _base(*self.tensors[BIAS]) if BIAS in self.tensors else None

    @bias.setter
    def bias(self, parameter: nn.Parameter) -> None:
        _set_base(*self.tensors[BIAS], parameter)

    def put_on(self, branch: Whole) -> None:
        for leaf in branch.leaves():
            module, name = self.tensors[leaf]
            if _sum_of(module, name) is None:
                module.add_module(_place(name), Sum(module._parameters.pop(name), leaf))
                _read_sums(module)
            _sum_of(module, name).branches.append(branch)

    def take_off(self, branch: Whole) -> None:
        for leaf in branch.leaves():
            module, name = self.tensors[leaf]
            total = _sum_of(module, name)
            total.branches = nn.ModuleList(b for b in total.branches if b is not branch)
            if not total.branches:
                del module._modules[_place(name)]
                _read_sums(module)
                module.register_parameter(name, total.original)


def loose_of(decoder: Any) -> Mapping[str, Loose]:
    """By original name, without the endings .weight and .bias."""
    found: dict[str, Loose] = {}
    for key, place in decoder.others().items():
        ending = next((e for e in _LEAVES if key.endswith(e)), "")
        found.setdefault(key.removesuffix(ending), Loose()).tensors[_LEAVES.get(ending, WEIGHT)] = place
    return found


def _place(name: str) -> str:
    return f"sum_of_{name}"


def _sum_of(module: nn.Module, name: str) -> Sum | None:
    return module._modules.get(_place(name))


def _base(module: nn.Module, name: str) -> torch.Tensor:
    total = _sum_of(module, name)
    return getattr(module, name) if total is None else total.original


def _set_base(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
    total = _sum_of(module, name)
    setattr(*((module, name) if total is None else (total, "original")), parameter)


def _read_sums(module: nn.Module) -> None:
    """Give the module the class in which those of its weights are sums that are now."""
    plain = getattr(type(module), "without_sums", type(module))
    start = _place("")
    names = sorted(n.removeprefix(start) for n in module._modules if n.startswith(start))
    module.__class__ = _with_sums(plain, tuple(names)) if names else plain


@cache
def _with_sums(plain: type, names: tuple[str, ...]) -> type:
    return type(plain.__name__, (plain,), {"without_sums": plain, **{name: _reading(_place(name)) for name in names}})


def _reading(place: str) -> property:
    return property(lambda module: module._modules[place]())
