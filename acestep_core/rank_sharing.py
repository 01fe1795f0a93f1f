"""Ranks out of an estimate: which layers count, in which order, and how a budget is shared among them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import sqrt
from typing import Any

from acestep_core.errors import UserError
from acestep_core.estimating import Estimate
from acestep_core.ranks import Weighed, allocated, save_ranks
from acestep_core.scores import LayerScore

RANKS = "ranks.json"


def chosen_layers(layers: Sequence[LayerScore], patterns: Sequence[str]) -> list[LayerScore]:
    """Those whose whole name fits one of the patterns; all without any."""
    for pattern in patterns:
        try:
            fits = any(re.fullmatch(pattern, layer.name) for layer in layers)
        except re.error as e:
            raise UserError(f"--layers '{pattern}' is no regular expression ({e})", "such as .*_attn.*") from e
        if not fits:
            raise UserError(f"No layer is called '{pattern}'", f"they are called {layers[0].name} and the like")
    return [layer for layer in layers if not patterns or any(re.fullmatch(p, layer.name) for p in patterns)]


def ranked(layers: Sequence[LayerScore], by: str) -> list[LayerScore]:
    """The largest fisher or sensitivity first."""
    return sorted(layers, key=lambda layer: (-getattr(layer, by), layer.name))


def share_out(
    layers: Sequence[LayerScore],
    by: str,
    budget: int | None,
    average_rank: float | None,
    limits: tuple[int, int],
    result: Estimate,
) -> dict[str, int]:
    """Ranks in proportion to the size of a layer's gradients, which is the root of its Fisher; written to a file."""
    weights = [sqrt(layer.fisher) if by == "fisher" else layer.sensitivity for layer in layers]
    weighed = [Weighed(i.name, i.inputs, i.outputs, w) for i, w in zip(layers, weights, strict=True)]
    if budget is None:
        budget = int(average_rank * sum(layer.cost for layer in weighed))
    ranks = allocated(weighed, budget, *limits)
    about = {"by": by, "budget": budget, "parameters": parameters_of(layers, ranks), "min_rank": limits[0],
             "max_rank": limits[1], "focus": result.record["settings"]["focus"],
             "data": result.record["data"]["inputs"]}  # fmt: skip
    save_ranks(result.folder / RANKS, ranks, result.record["model"], about)
    return ranks


def estimate_facts(
    result: Estimate, layers: Sequence[LayerScore], by: str, ranks: Mapping[str, int] | None
) -> dict[str, Any]:  # fmt: skip
    """What is told of an estimate, as plain JSON types: `layers` in their order, with their ranks if there are any."""
    told = [asdict(layer) | ({"rank": ranks[layer.name]} if ranks else {}) for layer in layers]
    return {"by": by, "parameters": parameters_of(layers, ranks), "agreement": result.agreement,
            "measured": result.measured, "kept": result.kept, "problems": dict(result.problems),
            "layers": told}  # fmt: skip


def parameters_of(layers: Sequence[LayerScore], ranks: Mapping[str, int] | None) -> int | None:
    """Of a LoRA of these ranks."""
    return sum(ranks[layer.name] * (layer.inputs + layer.outputs) for layer in layers) if ranks else None
