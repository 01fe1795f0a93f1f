"""Scores of layers out of the squared gradients of many songs, and how sure they are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev

from acestep_core.jobs import LayerGradients

Table = Mapping[str, LayerGradients]
"""Of one song, by layer."""


@dataclass(frozen=True)
class LayerScore:
    """Means over repeats; a spread is their standard deviation, None for one repeat."""

    name: str
    inputs: int
    outputs: int
    fisher: float
    fisher_spread: float | None
    sensitivity: float
    sensitivity_spread: float | None


def scores(repeats: Sequence[Sequence[Table]]) -> list[LayerScore]:
    """Of every layer, the largest Fisher first. No repeat is empty."""
    found = []
    for name, layer in repeats[0][0].items():
        fisher = [_fisher(tables, name) for tables in repeats]
        sensitivity = [_sensitivity(tables, name) for tables in repeats]
        found.append(LayerScore(name, layer.inputs, layer.outputs, fmean(fisher), _spread(fisher),
                                fmean(sensitivity), _spread(sensitivity)))  # fmt: skip
    return sorted(found, key=lambda score: (-score.fisher, score.name))


def agreement(repeats: Sequence[Sequence[Table]]) -> float | None:
    """Mean over pairs of repeats of Spearman's rank correlation of the layers' Fisher."""
    if len(repeats) < 2:
        return None
    orders = [_places([_fisher(tables, name) for name in repeats[0][0]]) for tables in repeats]
    return fmean(_correlation(a, b) for a, b in combinations(orders, 2))


def _fisher(tables: Sequence[Table], name: str) -> float:
    """Mean over looks of the mean squared entry of the gradient."""
    return fmean(square / _size(table[name]) for table in tables for square in table[name].squares)


def _sensitivity(tables: Sequence[Table], name: str) -> float:
    """Mean over looks of the root mean squared entry of the gradient."""
    return fmean(math.sqrt(square / _size(table[name])) for table in tables for square in table[name].squares)


def _size(layer: LayerGradients) -> int:
    return layer.inputs * layer.outputs


def _spread(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


def _places(values: Sequence[float]) -> list[float]:
    """The place of each value in their order, equal values sharing the mean of theirs."""
    ordered = sorted(values)
    first = {v: i for i, v in reversed(list(enumerate(ordered)))}
    last = {v: i for i, v in enumerate(ordered)}
    return [(first[v] + last[v]) / 2 for v in values]


def _correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Pearson's; 1 where nothing varies in either."""
    mean_a, mean_b = fmean(a), fmean(b)
    both = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    each = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return both / each if each else 1.0
