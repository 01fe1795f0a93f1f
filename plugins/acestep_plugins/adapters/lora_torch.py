"""LoRA layers on a PyTorch decoder."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer

from acestep_core import Attached
from acestep_plugins.adapters.lora import WEIGHTS, Lora
from acestep_plugins.adapters.targets import chosen, existing
from acestep_plugins.adapters.weights import add_to_base, copy_all, read, write

_PREFIX = "base_model.model."
_LEAVES = (".lora_A.weight", ".lora_B.weight")


class AttachedLora(Attached):
    def __init__(self, adapter: Lora, decoder: Any):
        self._adapter, self._decoder, self._scale = adapter, decoder, 1.0
        linears = decoder.linears()
        names = (
            existing(adapter.modules, linears)
            if adapter.modules
            else chosen(linears, adapter.attention, adapter.projections, adapter.mlp)
        )
        self._paths = {name: decoder.module_path(name) for name in names}
        self._slot = _free_slot(decoder.module)
        config = LoraConfig(
            r=adapter.rank,
            lora_alpha=adapter.rank * self._strength,
            lora_dropout=adapter.dropout,
            target_modules=sorted(self._paths.values()),
        )
        before = _grad_flags(decoder.module)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PEFT warns of a second adapter; several are meant here
            inject_adapter_in_model(config, decoder.module, self._slot)
        self._layers: dict[str, LoraLayer] = {n: decoder.module.get_submodule(p) for n, p in self._paths.items()}
        for layer in self._layers.values():
            layer.lora_A[self._slot].float(), layer.lora_B[self._slot].float()
            layer.set_adapter(list(layer.lora_A))
        _restore_flags(decoder.module, before)
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)

    @property
    def parameters(self) -> Mapping[str, torch.Tensor]:
        return {
            f"{_PREFIX}{name}{leaf}": getattr(layer, leaf.split(".")[1])[self._slot].weight
            for name, layer in self._layers.items()
            for leaf in _LEAVES
        }

    @property
    def scale(self) -> float:
        return self._scale

    def set_scale(self, scale: float) -> None:
        self._scale = scale
        for layer in self._layers.values():
            layer.scaling[self._slot] = scale * self._strength

    def save(self, folder: Path, info: Mapping[str, str]) -> None:
        """PEFT's layout with alpha / rank multiplied into B and alpha = rank: programs that ignore
        adapter_config.json, and those that read it, agree on the strength."""
        folded = {k: v * self._strength if k.endswith(_LEAVES[1]) else v for k, v in self.parameters.items()}
        write(folder / WEIGHTS, folded, {**info, "adapter": "lora"})
        targets = sorted({".".join(n.split(".")[-2:]) for n in self._layers})
        rank = self._adapter.rank
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=targets, task_type="FEATURE_EXTRACTION")
        config.inference_mode = True
        config.save_pretrained(str(folder))

    def load(self, path: Path) -> None:
        tensors, _ = read(path / WEIGHTS)
        copy_all(tensors, self.parameters, path)

    def merge(self) -> None:
        for name, layer in self._layers.items():
            delta = layer.get_delta_weight(self._slot)
            add_to_base(self._decoder.linears()[name], delta)
        self.detach()

    def detach(self) -> None:
        for name, path in self._paths.items():
            layer = self._layers[name]
            if list(layer.lora_A) == [self._slot]:
                parent, _, leaf = path.rpartition(".")
                setattr(self._decoder.module.get_submodule(parent), leaf, layer.get_base_layer())
            else:
                layer.delete_adapter(self._slot)
        configs = self._decoder.module.peft_config
        configs.pop(self._slot, None)
        if not configs:
            del self._decoder.module.peft_config

    @property
    def _strength(self) -> float:
        alpha = self._adapter.alpha
        return 2.0 if alpha is None else alpha / self._adapter.rank


def layers_in(path: Path) -> tuple[str, ...]:
    """Original names of the layers a PEFT file changes."""
    tensors, _ = read(path)
    names = [k.removeprefix(_PREFIX) for k in tensors]
    return tuple(n.removesuffix(_LEAVES[0]) for n in names if n.endswith(_LEAVES[0]))


def _free_slot(module: torch.nn.Module) -> str:
    taken = {slot for m in module.modules() if isinstance(m, LoraLayer) for slot in m.lora_A}
    return next(f"acestep{i}" for i in range(1000) if f"acestep{i}" not in taken)


def _grad_flags(module: torch.nn.Module) -> dict[int, bool]:
    return {id(p): p.requires_grad for p in module.parameters()}


def _restore_flags(module: torch.nn.Module, flags: Mapping[int, bool]) -> None:
    """PEFT decides by name what trains; here nothing but the new adapter may change that."""
    for parameter in module.parameters():
        parameter.requires_grad_(flags.get(id(parameter), False))
