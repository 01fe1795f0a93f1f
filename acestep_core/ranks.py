"""Shares a budget of parameters out among layers: the more a layer's gradients weigh, the larger its rank."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_core.files import text_at, write_json
from acestep_core.options import options_of

FORMAT = "1"
KIND = "ranks"
LEAST, MOST = 4, 128  # unless the user gives others
_HALVINGS = 200  # enough for any float
# Options of an adapter that a ranks file speaks for.
_SPOKEN_FOR = ("rank", "ranks", "layers", "attention", "projections", "mlp")


@dataclass(frozen=True)
class Weighed:
    """A layer with a weight [outputs, inputs], and how much rank it deserves beside the others."""

    name: str
    inputs: int
    outputs: int
    weight: float

    @property
    def cost(self) -> int:
        """Parameters of a LoRA for each rank."""
        return self.inputs + self.outputs


def allocated(layers: Sequence[Weighed], budget: int, least: int = LEAST, most: int = MOST) -> dict[str, int]:
    """Ranks by name that take at most `budget` parameters, and cannot be raised by one step within it.

    In proportion to the weights, between `least` and `most`, and never above what a layer's matrix can have. A layer
    that weighs more has no smaller rank than another, unless its matrix is too small for it.
    Raises `UserError` where not even the smallest ranks fit.
    """
    if least > most:
        raise UserError(f"The smallest rank {least} is above the largest {most}", "give a smaller --min-rank")
    ordered = sorted(layers, key=lambda layer: (-layer.weight, layer.name))
    caps = [min(most, layer.inputs, layer.outputs) for layer in ordered]
    floors = [min(least, cap) for cap in caps]
    smallest = parameters_of(ordered, floors)
    if smallest > budget:
        raise UserError(
            f"{len(ordered)} layers at the smallest ranks take {smallest:,} parameters, the budget is {budget:,}",
            f"give --budget {smallest}, a smaller --min-rank (0 leaves layers out), or fewer --layers",
        )
    ranks = _filled(ordered, _proportional(ordered, floors, caps, budget), caps, budget)
    return {layer.name: rank for layer, rank in zip(ordered, ranks, strict=True)}


def parameters_of(layers: Sequence[Weighed], ranks: Sequence[int]) -> int:
    """Of a LoRA with these ranks."""
    return sum(rank * layer.cost for layer, rank in zip(layers, ranks, strict=True))


def read_budget(text: str) -> int:
    """20M, 1.5M, 800k or a plain number of parameters."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", text.strip())
    count = int(Decimal(found[1]) * {"": 1, "k": 1000, "M": 1_000_000}[found[2]]) if found else 0
    if not count:
        raise UserError(f"'{text}' is no number of parameters", "write --budget 20M, 800k or 1500000")
    return count


def save_ranks(path: Path, ranks: Mapping[str, int], model: Mapping[str, str], about: Mapping[str, Any]) -> None:
    """For `train --ranks`; layers of rank 0 are to be left as they are. `model` has its variant and hash."""
    write_json(path, {"format": FORMAT, "kind": KIND, "model": dict(model), **about, "ranks": dict(ranks)})


def load_ranks(path: Path, model_hash: str) -> dict[str, list[str]]:
    """The options `layers` and `ranks` of an adapter.

    Raises `UserError` for a file of another model, or a damaged one.
    """
    made = "make it with: acestep-core estimate ENCODED --budget 20M"
    try:
        content = json.loads(text_at(path, made))
        ranks, made_for = content["ranks"], content["model"]["hash"]
        if content["kind"] != KIND or content["format"] != FORMAT or not all(map(_is_rank, ranks.values())):
            raise ValueError("its ranks are no whole numbers, or its format is another")
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise UserError(f"{path} is no ranks file ({e})", made) from e
    if made_for != model_hash:
        raise UserError(f"{path} was made for another model (dit {made_for}, this is {model_hash})", made)
    used = {re.escape(name): rank for name, rank in ranks.items() if rank}
    if not used:
        raise UserError(f"{path} leaves every layer out", made)
    return {"layers": list(used), "ranks": [f"{name}={rank}" for name, rank in used.items()]}


def check_takes_ranks(name: str, adapter: type, given: Mapping[str, Any]) -> None:
    """Raise `UserError` unless adapters of this class can have ranks by layer and no option given says otherwise."""
    if not {"layers", "ranks"} <= options_of(adapter).keys():
        raise UserError(f"The adapter '{name}' has no ranks by layer, so --ranks means nothing to it",
                        "use --adapter lora")  # fmt: skip
    idle = [key for key in _SPOKEN_FOR if key in {k.replace("-", "_") for k in given}]
    if idle:
        raise UserError(f"--ranks says layers and ranks, and so does {', '.join(idle)}", "leave one of them out")


def _proportional(layers: Sequence[Weighed], floors: Sequence[int], caps: Sequence[int], budget: int) -> list[int]:
    """Whole ranks in the largest proportion to the weights that fits."""

    def at(scale: float) -> list[int]:
        limits = zip(layers, floors, caps, strict=True)
        return [max(floor, int(min(cap, scale * layer.weight))) for layer, floor, cap in limits]

    positive = [layer.weight for layer in layers if layer.weight > 0]
    low, high = 0.0, (max(caps, default=0) + 1) / min(positive, default=1.0)
    if parameters_of(layers, at(high)) <= budget:
        return at(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if parameters_of(layers, at(middle)) <= budget else (low, middle)
    return at(low)


def _filled(layers: Sequence[Weighed], ranks: Sequence[int], caps: Sequence[int], budget: int) -> list[int]:
    """The ranks with what is left of the budget, one step at a time, and no layer past one that weighs more."""
    ranks, left, raised = list(ranks), budget - parameters_of(layers, ranks), True
    while raised:
        raised, before = False, math.inf
        for i, layer in enumerate(layers):
            if ranks[i] < caps[i] and ranks[i] < before and layer.cost <= left:
                ranks[i], left, raised = ranks[i] + 1, left - layer.cost, True
            if ranks[i] < caps[i]:
                before = min(before, ranks[i])
    return ranks


def _is_rank(value: Any) -> bool:
    return type(value) is int and value >= 0
