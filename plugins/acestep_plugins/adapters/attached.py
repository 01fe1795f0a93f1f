"""An adapter on a decoder: its branches beside the layers they change, which are put back when it goes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from acestep_core import Attached, UserError
from acestep_plugins.adapters.branches import Branch, Layer, plain
from acestep_plugins.adapters.layouts import key_of
from acestep_plugins.adapters.loose import Loose, loose_of
from acestep_plugins.adapters.stored import OVER_BASE, Stored, read_stored
from acestep_plugins.adapters.weights import copy_all

Saver = Callable[[Path, Mapping[str, Mapping[str, torch.Tensor]], Mapping[str, str]], None]


class Adapted(nn.Module):
    """A layer and what adapters add to it, in the order in which they were switched on."""

    def __init__(self, layer: Layer):
        super().__init__()
        self.layer = layer
        self.branches = nn.ModuleList()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(self.branches) == 1 and (alone := self.branches[0].alone(self.layer, x)) is not None:
            return alone
        y = self.layer(x)
        out = y
        for branch in self.branches:
            out = torch.add(out, branch(self.layer, x, y), alpha=branch.strength)
        return out

    @property
    def weight(self) -> torch.Tensor:
        return self.layer.weight

    @property
    def bias(self) -> torch.Tensor | None:
        return self.layer.bias


class AttachedBranches(Attached):
    """`branches` by the original name of their layer; `saver` writes the files of the kind."""

    def __init__(self, decoder: Any, branches: Mapping[str, Branch], saver: Saver, stored: Stored | None = None):
        self._decoder, self._branches, self._saver, self._stored = decoder, dict(branches), saver, stored
        self._layers = {**layers_of(decoder), **loose_of(decoder)}
        self._scale, self._on = 1.0, False
        for name, branch in self._branches.items():
            branch.place(self._layers[name].weight.device)
            branch.train(decoder.module.training)
        self._put_on()

    @property
    def parameters(self) -> Mapping[str, torch.Tensor]:
        return {
            key_of(branch.kind, name, leaf): tensor
            for name, branch in self._branches.items()
            for leaf, tensor in branch.leaves().items()
        }

    @property
    def scale(self) -> float:
        return self._scale

    def set_scale(self, scale: float) -> None:
        """At 0 the decoder has its own layers back, so that nothing of the adapter is computed."""
        self._scale = scale
        for name, branch in self._branches.items():
            branch.strength = scale
            branch.settle(self._layers[name])
        if scale:
            self._put_on()
        else:
            self._take_off()

    def save(self, folder: Path, info: Mapping[str, str]) -> None:
        tensors = {n: {leaf: t.cpu() for leaf, t in b.folded().items()} for n, b in self._branches.items()}
        over_base = any(getattr(b, "over_base", False) for b in self._branches.values())
        self._saver(folder, tensors, {**info, **(OVER_BASE if over_base else {})})

    def load(self, path: Path) -> None:
        stored = self._stored if self._stored is not None and self._stored.path == path else read_stored(path)
        self._stored = None
        tensors = {
            key_of(stored.kind_of(name), name, leaf): tensor
            for name, leaves in stored.layers.items()
            for leaf, tensor in leaves.items()
        }
        copy_all(tensors, self.parameters, path)
        for name, branch in self._branches.items():
            branch.unfold()
            branch.settle(self._layers[name])

    def merge(self) -> None:
        for name, branch in self._branches.items():
            layer = self._layers[name]
            if type(layer.weight.data) is not torch.Tensor:
                raise UserError(f"{name} is quantised and cannot take up an adapter", "merge before quantising")
            with torch.no_grad():
                for part, change in branch.to(layer.weight.device).changes().items():
                    own = getattr(layer, part)
                    merged = plain(own) + self._scale * (change(plain(own)) - plain(own))
                    setattr(layer, part, nn.Parameter(merged.to(own.dtype), requires_grad=False))
        self.detach()

    def detach(self) -> None:
        self._take_off()

    def _put_on(self) -> None:
        for name, branch in self._branches.items() if not self._on else ():
            if isinstance(loose := self._layers[name], Loose):
                loose.put_on(branch)
                continue
            adapted = _place(self._decoder, name)
            if not isinstance(adapted, Adapted):
                adapted = Adapted(adapted).train(self._decoder.module.training)
                _set_place(self._decoder, name, adapted)
            adapted.branches.append(branch)
        self._on = True

    def _take_off(self) -> None:
        for name, branch in self._branches.items() if self._on else ():
            if isinstance(loose := self._layers[name], Loose):
                loose.take_off(branch)
                continue
            adapted = _place(self._decoder, name)
            adapted.branches = nn.ModuleList(b for b in adapted.branches if b is not branch)
            if not adapted.branches:
                _set_place(self._decoder, name, adapted.layer)
        self._on = False


def layers_of(decoder: Any) -> dict[str, Layer]:
    """Every layer that an adapter can change, by its original name."""
    return {**decoder.linears(), **decoder.convolutions()}


def _place(decoder: Any, name: str) -> nn.Module:
    return decoder.module.get_submodule(decoder.module_path(name))


def _set_place(decoder: Any, name: str, module: nn.Module) -> None:
    parent, _, leaf = decoder.module_path(name).rpartition(".")
    setattr(decoder.module.get_submodule(parent), leaf, module)
