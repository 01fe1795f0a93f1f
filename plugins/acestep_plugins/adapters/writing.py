"""Writes adapters, strength folded in, in the layouts of the programs that read them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, OFTConfig

from acestep_core import UserError
from acestep_core.layer_names import flattened, layer_to_diffusers
from acestep_plugins.adapters.attached import Saver
from acestep_plugins.adapters.layouts import COMFYUI, LYCORIS, PEFT, key_of, kind_among
from acestep_plugins.adapters.stored import COUNT, DIFFUSERS_HEADER, PEFT_FILE, rank_of, usual
from acestep_plugins.adapters.weights import write

Layers = Mapping[str, Mapping[str, torch.Tensor]]
LOKR_FILE, LOHA_FILE = "lokr_weights.safetensors", "loha_weights.safetensors"
FULL_FILE = "full_weights.safetensors"
# Written as LoKr's dim and alpha where both factors are whole and every program ignores it.
_WHOLE_DIM = 64


def save_lora(folder: Path, layers: Layers, info: Mapping[str, str]) -> None:
    """PEFT's layout with alpha = rank: programs that ignore adapter_config.json, and those that read it, agree."""
    _check_magnitudes(layers, "PEFT")
    write(folder / PEFT_FILE, _keys(layers), {**info, "adapter": "lora"})
    settings = lora_settings(layers, targets(layers, info))
    config = LoraConfig(**settings, task_type="FEATURE_EXTRACTION")
    config.inference_mode = True
    config.save_pretrained(str(folder))


def lora_settings(layers: Layers, names: list[str]) -> dict[str, Any]:
    """What PEFT and diffusers have to be told of these tensors, by the names of their layers."""
    ranks = _ranks(layers)
    rank = usual(ranks)
    others = {n: r for n, r in ranks.items() if r != rank}
    return {
        "r": rank,
        "lora_alpha": rank,
        "target_modules": names,
        "rank_pattern": others,
        "alpha_pattern": others,
        "use_dora": any("magnitude" in leaves for leaves in layers.values()),
    }


def lokr_saver(config: Mapping[str, Any]) -> Saver:
    def save(folder: Path, layers: Layers, info: Mapping[str, str]) -> None:
        save_lycoris(folder / LOKR_FILE, layers, {**info, "adapter": "lokr"}, config)

    return save


def save_loha(folder: Path, layers: Layers, info: Mapping[str, str]) -> None:
    save_lycoris(folder / LOHA_FILE, layers, {**info, "adapter": "loha"}, {})


def save_lycoris(
    file: Path,
    layers: Layers,
    info: Mapping[str, str],
    config: Mapping[str, Any],
    constraints: Mapping[str, float] | None = None,
) -> None:
    """LyCORIS' keys, alphas that make every scale 1, and for LoKr and LoHa the settings in the header."""
    tensors: dict[str, torch.Tensor] = {}
    for name, leaves in layers.items():
        start, rank = f"{LYCORIS}{flattened(name)}", rank_of(kind_among(leaves), leaves)
        for leaf, tensor in leaves.items():
            written = {"down": "lora_down.weight", "up": "lora_up.weight", "magnitude": "dora_scale"}.get(leaf, leaf)
            wide = leaf == "magnitude" and name.startswith("proj_")  # a convolution has one axis more
            tensors[f"{start}.{written}"] = tensor[..., None] if wide else tensor
        if "oft_R" in leaves:
            raise UserError(
                f"LyCORIS turns outputs, the rotation of {name} turns inputs", "use --to reference or merged"
            )
        alpha = (constraints or {}).get(name, 0.0) if "oft_blocks" in leaves else float(rank or _WHOLE_DIM)
        tensors[f"{start}.alpha"] = torch.tensor(alpha)
    kind = kind_among(leaf for leaves in layers.values() for leaf in leaves) or ""
    settings = {f"{kind}_config": json.dumps(_lycoris_settings(layers, config))} if kind in ("lokr", "loha") else {}
    write(file, tensors, {**info, "algo": kind, "format": "lycoris", **settings})


def save_full(folder: Path, layers: Layers, info: Mapping[str, str]) -> None:
    save_whole(folder / FULL_FILE, layers, {**info, "adapter": "full"}, COMFYUI)


def save_whole(file: Path, layers: Layers, info: Mapping[str, str], prefix: str) -> None:
    """Differences as ComfyUI and LyCORIS read them; the prefix says whose names of layers."""
    tensors = {
        f"{prefix}{flattened(name) if prefix == LYCORIS else name}.{leaf}": tensor
        for name, leaves in layers.items()
        for leaf, tensor in leaves.items()
    }
    write(file, tensors, {**info, COUNT: str(len(tensors))})


def oft_saver(config: Mapping[str, Any], constraints: Mapping[str, float] | None = None) -> Saver:
    def save(folder: Path, layers: Layers, info: Mapping[str, str]) -> None:
        if any("oft_blocks" in leaves for leaves in layers.values()):
            save_lycoris(folder / "oft_weights.safetensors", layers, {**info, "adapter": "oft"}, {}, constraints)
            return
        write(folder / PEFT_FILE, _keys(layers), {**info, "adapter": "oft"})
        elements = next(iter(layers.values()))["oft_R"].shape[1]
        known = {k: config[k] for k in ("use_cayley_neumann", "num_cayley_neumann_terms", "coft", "eps", "block_share")
                 if k in config}  # fmt: skip
        size = round((1 + (1 + 8 * elements) ** 0.5) / 2)
        made = OFTConfig(r=0, oft_block_size=size, target_modules=targets(layers, info), **known)
        made.inference_mode = True
        made.save_pretrained(str(folder))

    return save


def save_comfyui(file: Path, layers: Layers, info: Mapping[str, str]) -> None:
    """lora_down, lora_up, alpha and dora_scale [out, 1]."""
    tensors: dict[str, torch.Tensor] = {}
    for name, leaves in layers.items():
        tensors[f"{PEFT}{name}.lora_down.weight"], tensors[f"{PEFT}{name}.lora_up.weight"] = (
            leaves["down"],
            leaves["up"],
        )
        tensors[f"{PEFT}{name}.alpha"] = torch.tensor(float(leaves["down"].shape[0]))
        if "magnitude" in leaves:
            tensors[f"{PEFT}{name}.dora_scale"] = leaves["magnitude"]
    write(file, tensors, {**info, "adapter": "lora"})


def save_diffusers(file: Path, layers: Layers, info: Mapping[str, str]) -> None:
    """Names that diffusers knows whichever layers are changed, and the strength in the header it reads."""
    _check_magnitudes(layers, "diffusers")
    renamed = {layer_to_diffusers(n): leaves for n, leaves in layers.items()}
    tensors = {f"transformer.{key.removeprefix(PEFT)}": t for key, t in _keys(renamed).items()}
    settings = lora_settings(renamed, list(renamed))
    header = json.dumps({f"transformer.{k}": v for k, v in settings.items()})
    write(file, tensors, {**info, "adapter": "lora", DIFFUSERS_HEADER: header})


def targets(layers: Layers, info: Mapping[str, str]) -> list[str]:
    """Endings such as self_attn.q_proj where every layer of the model has them, else whole names."""
    numbers: dict[str, set[str]] = {}
    for name in layers:
        found = re.fullmatch(r"layers\.(\d+)\.(.+)", name)
        if found is None:
            return list(layers)
        numbers.setdefault(found[2], set()).add(found[1])
    count = info.get("base_layers", "")  # whatever a foreign header says there
    everywhere = {str(i) for i in range(int(count))} if count.isdecimal() and len(count) < 4 else set()
    return sorted(numbers) if all(n == everywhere for n in numbers.values()) else list(layers)


def _keys(layers: Layers) -> dict[str, torch.Tensor]:
    found = {}
    for name, leaves in layers.items():
        for leaf, tensor in leaves.items():
            key = key_of(kind_among(leaves) or "", name, leaf)
            found[key] = tensor.flatten() if leaf == "magnitude" else tensor
    return found


def _ranks(layers: Layers) -> dict[str, int]:
    return {n: int(leaves["down"].shape[0]) for n, leaves in layers.items()}


def _check_magnitudes(layers: Layers, program: str) -> None:
    by_input = [n for n, leaves in layers.items() if "magnitude" in leaves and leaves["magnitude"].shape[1] != 1]
    if by_input:
        raise UserError(f"{by_input[0]} has magnitudes of inputs, which {program} does not know", "use --to merged")


def _lycoris_settings(layers: Layers, config: Mapping[str, Any]) -> dict[str, Any]:
    ranks = {n: r for n, leaves in layers.items() if (r := rank_of(kind_among(leaves), leaves)) is not None}
    dim = usual(ranks) or _WHOLE_DIM
    return {
        "factor": -1,
        "decompose_both": any("lokr_w1_a" in leaves for leaves in layers.values()),
        **config,
        "linear_dim": dim,
        "linear_alpha": dim,
        "full_matrix": not ranks,
        "use_tucker": any("lokr_t2" in leaves or "hada_t1" in leaves for leaves in layers.values()),
        "use_scalar": False,
        "weight_decompose": any("magnitude" in leaves for leaves in layers.values()),
        "bypass_mode": not any("magnitude" in leaves for leaves in layers.values()),
        "rs_lora": False,
        "unbalanced_factorization": False,
        "target_modules": sorted({n.split(".")[-1] for n in layers}),
    }
