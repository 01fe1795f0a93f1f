"""How much an adapter changes each layer: the norm of its change against that of the weight, one layer at a time."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.adapters import recognised
from acestep_core.checkpoint import ModelInfo
from acestep_core.clip import adapter_hash
from acestep_core.errors import UserError
from acestep_core.files import write_json
from acestep_core.registry import Registry
from acestep_core.run import Run

FILE = "deltas.json"


@dataclass(frozen=True)
class Delta:
    """Frobenius norms of a layer's weight and of what the adapter adds to it at strength 1."""

    weight: float
    change: float

    @property
    def ratio(self) -> float:
        return self.change / self.weight if self.weight else math.inf if self.change else 0.0


@dataclass(frozen=True)
class Deltas:
    """By original layer name; `problem` says why there are none."""

    layers: Mapping[str, Delta]
    problem: str = ""

    @property
    def ratio(self) -> float | None:
        """Of all changed layers together."""
        weight, change = (math.hypot(*(getattr(d, n) for d in self.layers.values())) for n in ("weight", "change"))
        return change / weight if weight else None


def measure(adapter: Path, model: ModelInfo, plugins: Registry) -> dict[str, Delta]:
    """Reads the base weights as they are in the model's files. Raises `UserError` where a kind cannot tell."""
    import torch

    from acestep_core.merging import base_weight

    weight, found = base_weight(model), {}
    with torch.no_grad():
        for name, changed in recognised(adapter, plugins).changes(adapter).items():
            before = weight(name)
            found[name] = Delta(float(before.norm()), float((changed(before) - before).norm()))
    return found


def write_deltas(run: Run, model: ModelInfo, plugins: Registry) -> None:
    """Keep them in the run folder, or why they could not be had: no run is lost for that."""
    told: dict[str, Any] = {"adapter": adapter_hash(run.adapter)}
    try:
        found = measure(run.adapter, model, plugins)
        told["layers"] = {name: {"weight": d.weight, "change": d.change} for name, d in found.items()}
    except UserError as e:
        told["problem"] = e.problem
    except Exception as e:  # isolation wall: an adapter plugin's code, after everything of worth was written
        told["problem"] = f"{type(e).__name__}: {e}"
    write_json(run.folder / FILE, told)


def read_deltas(run: Run) -> Deltas | None:
    """Those of the adapter that is there now; None if they were not measured."""
    try:
        told = json.loads((run.folder / FILE).read_text(encoding="utf-8"))
        if told["adapter"] != adapter_hash(run.adapter):
            return None
        layers = {name: Delta(float(d["weight"]), float(d["change"])) for name, d in told.get("layers", {}).items()}
        return Deltas(layers, told.get("problem", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
