"""Writes an adapter for another program, and reads back what was written before it is called done."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from acestep_core import UserError
from acestep_core.adapters import adapter_file
from acestep_plugins.adapters import writing
from acestep_plugins.adapters.branches import Additive, Branch
from acestep_plugins.adapters.building import stored_branches
from acestep_plugins.adapters.layouts import kind_among
from acestep_plugins.adapters.low_rank import nearest
from acestep_plugins.adapters.stored import Stored, read_stored

RANK = 64
# Of what was read back, relative to what was written; float32 in both.
_SAME = 1e-5
_OURS = ("adapter", "algo", "format", "lokr_config", "loha_config", "lora_adapter_metadata")

Layers = dict[str, dict[str, torch.Tensor]]


def export(
    path: Path,
    to: str,
    out: Path,
    *,
    rank: int | None = None,
    weights: Callable[[str], torch.Tensor] | None = None,
    on_layer: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Write it to the file or folder `out`; notes for the user."""
    stored = read_stored(path)
    layers: Layers = {n: dict(leaves) for n, leaves in stored.layers.items()}
    notes = list(stored.notes)
    info = {k: v for k, v in stored.header.items() if k not in _OURS}
    as_stored = _keeps(stored, to)
    if not as_stored:
        layers, more = _as_lora(stored, to, rank or RANK, weights, on_layer)
        notes += more
    elif rank is not None:
        raise UserError(f"--rank does nothing for {path}, which needs no conversion to LoRA", "leave it out")
    _write(to, out, layers, info, stored)
    check_same(layers, stored, out)
    read = read_stored(out)
    return [*notes, f"read back and compared: {len(read.layers)} of {len(layers)} layers are the same"]


def _keeps(stored: Stored, to: str) -> bool:
    """Whether the program knows the adapter's own kind."""
    kinds = {stored.kind_of(name) for name in stored.layers}
    leaves = {leaf for tensors in stored.layers.values() for leaf in tensors}
    if kinds == {"lora"}:
        return True
    if to == "peft":
        return kinds == {"oft"} and "oft_R" in leaves
    return to in ("lycoris", "comfyui") and "oft_R" not in leaves


def _write(to: str, out: Path, layers: Layers, info: Mapping[str, str], stored: Stored) -> None:
    kinds = {kind_among(leaves) for leaves in layers.values()}
    if to == "peft":
        save = writing.save_lora if kinds == {"lora"} else writing.oft_saver(stored.config)
        save(out, layers, info)
    elif to == "diffusers":
        writing.save_diffusers(out, layers, info)
    elif to == "comfyui" and kinds == {"lora"}:
        writing.save_comfyui(out, layers, info)
    else:
        config = {k: stored.config[k] for k in ("factor", "decompose_both") if k in stored.config}
        writing.save_lycoris(out, layers, info, config, stored.constraints)


def _as_lora(
    stored: Stored,
    to: str,
    rank: int,
    weights: Callable[[str], torch.Tensor] | None,
    on_layer: Callable[[int, int], None],
) -> tuple[Layers, list[str]]:
    """The nearest LoRA of each layer, and how near it is."""
    branches = stored_branches(stored)
    needing = [n for n, branch in branches.items() if branch.needs_base]
    if needing and weights is None:
        raise UserError(f"What {stored.path} changes depends on the model's weights, and {to} knows no {stored.kind}",
                        "add --model DIR, and --variant where it holds several")  # fmt: skip
    layers: Layers = {}
    left = total = worst = 0.0
    for i, (name, branch) in enumerate(branches.items()):
        with torch.no_grad():
            delta = _delta(stored, name, branch, weights)
            up, down = nearest(delta.flatten(1), branch, rank)
            shaped = down.view(len(down), *delta.shape[1:]), up.view(*up.shape, *[1] * (delta.ndim - 2))
            error, norm = float((up @ down - delta.flatten(1)).norm()), float(delta.norm())
        layers[name] = {"down": shaped[0].contiguous(), "up": shaped[1].contiguous()}
        left, total, worst = left + error**2, total + norm**2, max(worst, error / norm if norm else 0.0)
        on_layer(i + 1, len(branches))
    relative = (left / total) ** 0.5 if total else 0.0
    ranks = max(len(leaves["down"]) for leaves in layers.values())
    return layers, [f"written as a LoRA of rank {ranks}: relative error {relative:.2e} over all, "
                    f"{worst:.2e} in the worst layer"]  # fmt: skip


def _delta(stored: Stored, name: str, branch: Branch, weights: Callable[[str], torch.Tensor] | None) -> torch.Tensor:
    if isinstance(branch, Additive) and not branch.needs_base:
        if weights is not None:
            return branch.delta(weights(name).shape)
        size = stored.size_of(name)
        assert size is not None
        if name == "proj_in.1":  # the only convolution: two frames become a token
            size = (size[0], size[1] // 2, 2)
        return branch.delta(size)
    assert weights is not None
    weight = weights(name)
    return branch.changed(weight) - weight


def check_same(layers: Layers, stored: Stored, out: Path) -> None:
    """Raise `UserError` if the file does not read back as what was to be written."""
    again = read_stored(out)
    wrong = sorted(again.layers.keys() ^ layers.keys())
    for name in again.layers.keys() & layers.keys():
        ours, theirs = layers[name], again.layers[name]
        if ours.keys() != theirs.keys() or any(_differ(ours[leaf], theirs[leaf]) for leaf in ours):
            wrong.append(name)
    if again.constraints and again.constraints != stored.constraints:
        wrong.append("the constraints")
    if wrong:
        raise UserError(f"{adapter_file(out)} does not read back as it was written ({', '.join(wrong)})",
                        "is the disk full or damaged?")  # fmt: skip


def _differ(a: torch.Tensor, b: torch.Tensor) -> Any:
    if a.shape != b.shape:
        return True
    a, b = a.float(), b.float()
    return (a - b).norm() > _SAME * a.norm()
