"""One known random LoRA, written as each program writes it, and the change of a layer measured at its output."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from acestep_plugins.backends.pt.device import choose
from acestep_plugins.backends.pt.dit import Dit

FOLDER = Path(__file__).parents[1] / "data" / "tiny-turbo"
ENDINGS = ("self_attn.q_proj", "self_attn.k_proj", "cross_attn.v_proj", "cross_attn.o_proj", "mlp.down_proj")
NAMES = [f"layers.{i}.{ending}" for i in range(4) for ending in ENDINGS]
RANK, ALPHA = 4, 10.0
STRENGTH = ALPHA / RANK
DIFFUSERS = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "o_proj": "to_out.0", "down_proj": "down_proj"}


def fresh_dit() -> Dit:
    return Dit(FOLDER, choose("cpu", "float32"))


class Known:
    """A [r, in], B [out, r] and a magnitude [out] for every layer of NAMES."""

    def __init__(self, dit: Dit, rank: int = RANK, names: list[str] | None = None):
        generator = torch.Generator().manual_seed(11)
        self.base = {n: dit.decoder.linears()[n].weight.detach().clone() for n in names or NAMES}
        self.a, self.b, self.m = {}, {}, {}
        for n, weight in self.base.items():
            out, inputs = weight.shape
            self.a[n] = torch.randn(rank, inputs, generator=generator) * 0.1
            self.b[n] = torch.randn(out, rank, generator=generator) * 0.1
            self.m[n] = weight.norm(dim=1) * (0.5 + torch.rand(out, generator=generator))

    def change(self, strength: float, dora: bool = False) -> dict[str, torch.Tensor]:
        """What ought to be added to each weight, from the definitions of LoRA and DoRA."""
        found = {n: strength * self.b[n] @ self.a[n] for n in self.base}
        if not dora:
            return found
        total = {n: self.base[n] + found[n] for n in found}
        return {n: self.m[n][:, None] * t / t.norm(dim=1, keepdim=True) - self.base[n] for n, t in total.items()}

    def peft(self, prefix: str = "base_model.model.", infix: str = "", names: Any = str) -> dict[str, torch.Tensor]:
        found = {f"{prefix}{names(n)}.lora_A{infix}.weight": t for n, t in self.a.items()}
        return found | {f"{prefix}{names(n)}.lora_B{infix}.weight": t for n, t in self.b.items()}

    def kohya(self, start: Any, alpha: float = ALPHA, down: str = "lora_down", up: str = "lora_up") -> dict:
        found = {f"{start(n)}.{down}.weight": t for n, t in self.a.items()}
        found |= {f"{start(n)}.{up}.weight": t for n, t in self.b.items()}
        return found | {f"{start(n)}.alpha": torch.tensor(alpha) for n in self.a}


def to_diffusers(name: str) -> str:
    parent, _, leaf = name.rpartition(".")
    return f"{parent}.{DIFFUSERS[leaf]}"


def write_peft(folder: Path, tensors: dict[str, torch.Tensor], **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "adapter_model.safetensors", {"format": "pt"})
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": list(ENDINGS)} | config
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def write_flat(file: Path, tensors: dict[str, torch.Tensor], **header: str) -> Path:
    save_file({k: v.contiguous() for k, v in tensors.items()}, file, {"format": "pt", **header})
    return file


def measured(module: nn.Module, path: str, base: torch.Tensor) -> torch.Tensor:
    """What a layer adds to its base weight, by what it makes of unit vectors."""
    with torch.no_grad():
        return module.get_submodule(path)(torch.eye(base.shape[1])).T - base


def skeleton(base: dict[str, torch.Tensor]) -> nn.Module:
    """The layers alone, by their original names: what a library that owns a format can load it into."""
    root = nn.Module()
    for name, weight in base.items():
        place = root
        for part in name.split(".")[:-1]:
            if part not in dict(place.named_children()):
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        linear.weight = nn.Parameter(weight.clone(), requires_grad=False)
        place.add_module(name.rpartition(".")[2], linear)
    return root
