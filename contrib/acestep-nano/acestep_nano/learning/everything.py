"""An adapter that is no adapter: every weight of a decoder learns, and the condition encoder unless it is left out."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from acestep_core import Adapter, Attached, UserError

FILE = "everything.safetensors"
NULL = "null_condition_emb"


class Everything(Adapter):
    """For the model this object was made for with `of`."""

    name = "everything"
    learning_rate = 1e-3

    def of(self, dit: Any, encoder: bool) -> "Everything":
        """Without `encoder` the decoder learns alone: neither that, nor what stands for no condition."""
        self._dit, self._encoder = dit, encoder
        return self

    def attach(self, decoder: Any) -> Attached:
        return _Attached(self._dit, self._encoder)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return False

    @classmethod
    def from_files(cls, path: Path) -> "Everything":
        raise UserError(f"{path} is a training's own file", "pack it into a checkpoint")


class _Attached(Attached):
    scale = 1.0

    def __init__(self, dit: Any, encoder: bool):
        parts = {"decoder": dit.decoder.module}
        self._learnt: dict[str, Any] = {}
        if encoder:
            dit.null_embedding = nn.Parameter(dit.null_embedding)
            parts["encoder"] = dit.encoder
            self._learnt[NULL] = dit.null_embedding
        for part, module in parts.items():
            self._learnt |= {f"{part}.{name}": parameter for name, parameter in _used(module, part)}
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self._learnt

    def set_scale(self, scale: float) -> None:
        raise UserError("A whole model has no strength", "leave it at 1")

    def save(self, folder: Path, info: Mapping[str, str]) -> None:
        tensors = {name: p.detach().cpu().contiguous() for name, p in self.parameters.items()}
        save_file(tensors, str(folder / FILE), dict(info))

    @torch.no_grad()
    def load(self, path: Path) -> None:
        stored = load_file(str(path / FILE))
        if stored.keys() != self.parameters.keys():
            raise UserError(f"{path / FILE} belongs to another model", "give its own training's folder")
        for name, tensor in stored.items():
            self.parameters[name].copy_(tensor)

    def merge(self) -> None:
        self.detach()

    def detach(self) -> None:
        for parameter in self.parameters.values():
            parameter.requires_grad_(False)


def _used(module: nn.Module, part: str) -> Iterator[tuple[str, nn.Parameter]]:
    """Without the token that only XL models pool: of others it is in the file and in no computation."""
    return ((n, p) for n, p in module.named_parameters() if (part, n) != ("encoder", "timbre_encoder.special_token"))
