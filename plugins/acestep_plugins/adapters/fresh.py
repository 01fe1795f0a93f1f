"""Fresh adapters for training: with them the decoder computes exactly what it did before."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from lycoris.functional.loha import weight_gen as loha_start
from lycoris.functional.lokr import weight_gen as lokr_start
from torch import nn

from acestep_core import UserError
from acestep_plugins.adapters.attached import AttachedBranches, layers_of
from acestep_plugins.adapters.branches import Additive, Branch, Hadamard, InputRotation, Kronecker, LowRank
from acestep_plugins.adapters.building import ROTATION
from acestep_plugins.adapters.loose import loose_of
from acestep_plugins.adapters.targets import chosen, matching, ranks_of
from acestep_plugins.adapters.whole import BIAS, WEIGHT, Whole, check_plain

_WHOLE = 1 << 30  # a rank at which LyCORIS keeps both factors whole


def fresh_lora(adapter: Any, decoder: Any) -> AttachedBranches:
    def made(layer: nn.Linear, rank: int) -> Branch:
        down = torch.empty(rank, layer.in_features)
        nn.init.kaiming_uniform_(down, a=math.sqrt(5))
        branch = LowRank({"down": down, "up": torch.zeros(layer.out_features, rank)}, adapter.dropout)
        alpha = 2.0 * rank if adapter.alpha is None else adapter.alpha
        branch.factor = alpha / (math.sqrt(rank) if adapter.rslora else rank)
        return _decomposed(branch, layer, adapter.dora)

    layers = _chosen(adapter, decoder)
    ranks = ranks_of(list(layers), adapter.rank, adapter.ranks)
    return _attached(adapter, decoder, {n: made(layer, ranks[n]) for n, layer in layers.items()})


def fresh_lokr(adapter: Any, decoder: Any) -> AttachedBranches:
    def made(layer: nn.Linear) -> Branch:
        shape = torch.empty(layer.out_features, layer.in_features, device="meta")
        started = lokr_start(shape, adapter.dim or _WHOLE, False, adapter.factor, adapter.decompose_both)
        tensors = {leaf: t for leaf, t in zip(Kronecker.LEAVES, started, strict=True) if t is not None}
        return _decomposed(Kronecker(tensors), layer, adapter.dora)

    layers = _chosen(adapter, decoder)
    attached = _attached(adapter, decoder, {n: made(layer) for n, layer in layers.items()})
    whole = sum(key.endswith(".lokr_w2") for key in attached.parameters)
    if whole and adapter.dim is not None:
        attached.notes = [f"LoKr: dim {adapter.dim} has no effect in {whole} of {len(layers)} layers, "
                          "their larger factor is small enough to be trained in full"]  # fmt: skip
    return attached


def fresh_loha(adapter: Any, decoder: Any) -> AttachedBranches:
    def made(layer: nn.Linear, rank: int) -> Branch:
        shape = torch.empty(layer.out_features, layer.in_features, device="meta")
        started = zip(Hadamard.LEAVES, loha_start(shape, rank, tucker=False), strict=True)
        return _decomposed(Hadamard({leaf: t for leaf, t in started if t is not None}), layer, adapter.dora)

    layers = _chosen(adapter, decoder)
    ranks = ranks_of(list(layers), adapter.rank, adapter.ranks)
    return _attached(adapter, decoder, {n: made(layer, ranks[n]) for n, layer in layers.items()})


def fresh_oft(adapter: Any, decoder: Any) -> AttachedBranches:
    size, facts = adapter.block_size, ROTATION | {"use_cayley_neumann": not adapter.exact}
    layers = _chosen(adapter, decoder)
    wrong = sorted({layer.in_features for layer in layers.values() if layer.in_features % size})
    if wrong:
        largest = math.gcd(*(layer.in_features for layer in layers.values()))
        raise UserError(f"Blocks of {size} do not divide layers of {', '.join(map(str, wrong))} inputs",
                        f"use block_size={min(largest, 64)}")  # fmt: skip

    def made(layer: nn.Linear) -> Branch:
        zeros = torch.zeros(layer.in_features // size, size * (size - 1) // 2)
        return InputRotation({"oft_R": zeros}, layer.in_features, facts)

    return _attached(adapter, decoder, {n: made(layer) for n, layer in layers.items()})


def fresh_full(adapter: Any, decoder: Any) -> AttachedBranches:
    layers, loose = layers_of(decoder), loose_of(decoder)
    both: dict[str, Any] = {**layers, **loose}
    names = list(both)
    if adapter.layers:
        chosen_names = matching(names, adapter.layers)
    else:
        inside = chosen(adapter, layers) if adapter.projections or adapter.mlp else []
        others = [n for n in loose if n.startswith("layers.") and adapter.norms]
        outside = [n for n in names if not n.startswith("layers.") and adapter.outside]
        chosen_names = [*inside, *others, *outside]
    if not chosen_names:
        hint = "leave one of projections, mlp, norms and outside as it is"
        raise UserError("No weight is chosen for the adapter", hint)
    check_plain({n: both[n] for n in chosen_names})
    return _attached(adapter, decoder, {n: Whole(_zeros(both[n])) for n in chosen_names})


def _zeros(layer: Any) -> dict[str, torch.Tensor]:
    weights = {WEIGHT: layer.weight, BIAS: layer.bias}
    return {leaf: torch.zeros_like(w, dtype=torch.float32) for leaf, w in weights.items() if w is not None}


def _chosen(adapter: Any, decoder: Any) -> Mapping[str, nn.Linear]:
    linears = decoder.linears()
    return {name: linears[name] for name in chosen(adapter, linears)}


def _attached(adapter: Any, decoder: Any, branches: Mapping[str, Branch]) -> AttachedBranches:
    return AttachedBranches(decoder, branches, adapter._saver())


def _decomposed(branch: Additive, layer: nn.Linear, dora: bool) -> Branch:
    branch.to(layer.weight.device)
    if dora:
        branch.decompose(layer.weight)
    return branch
