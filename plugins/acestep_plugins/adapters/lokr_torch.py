"""LoKr on a PyTorch decoder: one LyCORIS module per layer, so nothing global is set and nothing else is wrapped."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lycoris.modules.lokr import LokrModule

from acestep_core import Attached, UserError
from acestep_plugins.adapters.lokr import WEIGHTS, Lokr, weights_file
from acestep_plugins.adapters.targets import chosen, existing
from acestep_plugins.adapters.weights import add_to_base, copy_all, read, write

_PREFIX = "lycoris_"
_FULL_DIM = 64  # written where a program wants a number although the factors are whole; alpha equals it: scale 1


class AttachedLokr(Attached):
    def __init__(self, adapter: Lokr, decoder: Any):
        self._adapter, self._scale = adapter, 1.0
        self._linears = _wanted(adapter, decoder)
        with _quiet():
            self._modules = {n: _module(adapter, n, linear) for n, linear in self._linears.items()}
        self.notes = self._dim_notes()
        for module in self._modules.values():
            module.apply_to()

    @property
    def parameters(self) -> Mapping[str, torch.Tensor]:
        return {f"{m.lora_name}.{k}": p for m in self._modules.values() for k, p in m.named_parameters()}

    @property
    def scale(self) -> float:
        return self._scale

    def set_scale(self, scale: float) -> None:
        self._scale = scale
        for module in self._modules.values():
            module.multiplier = scale

    def save(self, folder: Path, info: Mapping[str, str]) -> None:
        """LyCORIS keys, an alpha per layer that makes the scale 1, and the settings in the header."""
        alphas = {f"{m.lora_name}.alpha": m.alpha.float() for m in self._modules.values()}
        header = {"algo": "lokr", "format": "lycoris", "lokr_config": json.dumps(self._config()), "adapter": "lokr"}
        write(folder / WEIGHTS, {**self.parameters, **alphas}, {**info, **header})

    def load(self, path: Path) -> None:
        file = weights_file(path)
        if file is None:
            raise UserError(f"{path} holds no {WEIGHTS}", "give the adapter/ folder of a run")
        tensors, _ = read(file)
        alphas = {k.removesuffix(".alpha"): float(v) for k, v in tensors.items() if k.endswith(".alpha")}
        copy_all({k: v for k, v in tensors.items() if not k.endswith(".alpha")}, self.parameters, file)
        for module in self._modules.values():
            if module.lora_name in alphas and not (module.use_w1 and module.use_w2):
                module.scale = alphas[module.lora_name] / module.lora_dim

    def merge(self) -> None:
        for name, module in self._modules.items():
            # LyCORIS' own merge applies the scale twice; get_weight has it once.
            add_to_base(self._linears[name], module.get_weight(module.shape) * self._scale)
        self.detach()

    def detach(self) -> None:
        for name, module in self._modules.items():
            module.restore()
            if not hasattr(self._linears[name], "_lycoris_wrappers"):
                self._linears[name].__dict__.pop("forward", None)  # restore() leaves a bound copy behind

    def _config(self) -> dict[str, Any]:
        return {
            "linear_dim": self._adapter.dim or _FULL_DIM,
            "linear_alpha": self._adapter.dim or _FULL_DIM,
            "factor": self._adapter.factor,
            "decompose_both": self._adapter.decompose_both,
            "full_matrix": self._adapter.dim is None,
            "use_tucker": False,
            "use_scalar": False,
            "weight_decompose": False,
            "bypass_mode": True,
            "rs_lora": False,
            "unbalanced_factorization": False,
            "target_modules": sorted({n.split(".")[-1] for n in self._linears}),
        }

    def _dim_notes(self) -> list[str]:
        full = sum(m.use_w2 for m in self._modules.values())
        if full and self._adapter.dim is not None:
            return [f"LoKr: dim {self._adapter.dim} has no effect in {full} of {len(self._modules)} layers, "
                    "their larger factor is small enough to be trained in full"]  # fmt: skip
        return []


def layers_in(file: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """(layer names with underscores, header) of a LoKr file."""
    tensors, header = read(file)
    names = dict.fromkeys(k.split(".")[0].removeprefix(_PREFIX) for k in tensors)
    return tuple(names), header


def _wanted(adapter: Lokr, decoder: Any) -> dict[str, torch.nn.Linear]:
    linears = decoder.linears()
    names = (
        existing(adapter.modules, linears)
        if adapter.modules
        else chosen(linears, adapter.attention, adapter.projections, adapter.mlp)
    )
    return {n: linears[n] for n in names}


def _module(adapter: Lokr, name: str, linear: torch.nn.Linear) -> LokrModule:
    module = LokrModule(
        _PREFIX + name.replace(".", "_"),
        linear,
        1.0,
        adapter.dim or _FULL_DIM,
        adapter.dim or _FULL_DIM,
        factor=adapter.factor,
        decompose_both=adapter.decompose_both,
        full_matrix=adapter.dim is None,
        bypass_mode=True,
    )
    return module.to(linear.weight.device, torch.float32)


class _quiet:
    """LyCORIS logs a line per layer about what `notes` says once."""

    def __enter__(self) -> None:
        self._logger = logging.getLogger("LyCORIS")
        self._level = self._logger.level
        self._logger.setLevel(logging.ERROR)

    def __exit__(self, *exc: object) -> None:
        self._logger.setLevel(self._level)
