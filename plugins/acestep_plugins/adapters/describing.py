"""What there is to know about an adapter file without a model."""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from acestep_plugins.adapters.branches import Additive, Branch, Kronecker, LowRank
from acestep_plugins.adapters.building import stored_branches
from acestep_plugins.adapters.stored import WIDTHS, Stored, read_stored, usual
from acestep_plugins.adapters.whole import Whole


def described(path: Path) -> dict[str, Any]:
    """Facts as plain JSON types. Norms are Frobenius norms of the change of a layer at strength 1."""
    stored = read_stored(path)
    ranks, scales = stored.ranks, stored.scales.values()
    decomposed = sum("magnitude" in leaves for leaves in stored.layers.values())
    return {
        "kind": stored.kind,
        "layout": stored.layout,
        "layers": len(stored.layers),
        "targets": dict(Counter(_target(name) for name in stored.layers)),
        "rank": usual(ranks),
        "ranks": sorted(set(ranks.values())),
        "alpha_over_rank": _range(list(scales)),
        "dora": decomposed > 0,
        "parameters": sum(t.numel() for leaves in stored.layers.values() for t in leaves.values()),
        "model_width": stored.width,
        "model": WIDTHS.get(stored.width or 0),
        "highest_layer": stored.depth - 1,
        "norms": _norms(stored),
        "header": dict(sorted(stored.header.items())),  # safetensors gives them in an order that changes
        "notes": list(stored.notes),
    }


@torch.no_grad()
def _norms(stored: Stored) -> dict[str, float] | None:
    """By target, the mean over its layers; None where the change depends on the model's weights."""
    branches = stored_branches(stored)
    if any(branch.needs_base for branch in branches.values()):
        return None
    by_target: dict[str, list[float]] = {}
    for name, branch in branches.items():
        by_target.setdefault(_target(name), []).append(_norm(branch, stored.size_of(name)))
    return {target: sum(found) / len(found) for target, found in by_target.items()}


def _norm(branch: Branch, size: tuple[int, int] | None) -> float:
    """Of a product from its factors, without building it."""
    if isinstance(branch, LowRank):
        down, up = branch.down.flatten(1), branch.up.flatten(1)
        return float(((up.T @ up) * (down @ down.T)).sum().clamp(min=0).sqrt())
    if isinstance(branch, Kronecker) and "lokr_w1" in branch.leaves() and "lokr_w2" in branch.leaves():
        return float(branch.lokr_w1.norm() * branch.lokr_w2.norm())
    if isinstance(branch, Whole):
        return math.hypot(*(float(t.norm()) for t in branch.folded().values()))
    assert isinstance(branch, Additive) and size is not None
    return float(branch.delta(size).norm())


def _target(name: str) -> str:
    return re.sub(r"^layers\.\d+\.", "", name)


def _range(values: list[float]) -> float | list[float]:
    low, high = min(values), max(values)
    return low if low == high else [low, high]
