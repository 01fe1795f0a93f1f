"""Writes an adapter for another program, and reads back what was written before it is called done."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from acestep_core import UserError
from acestep_core.adapter_facts import said
from acestep_core.errors import raise_all
from acestep_core.export_settings import Exported, ExportSettings
from acestep_plugins.adapters import writing
from acestep_plugins.adapters.branches import Additive, Branch
from acestep_plugins.adapters.building import stored_branches
from acestep_plugins.adapters.comparing import Weights, check_same, effect, probes
from acestep_plugins.adapters.known_by import check_known
from acestep_plugins.adapters.layouts import COMFYUI, LYCORIS, kind_among
from acestep_plugins.adapters.low_rank import nearest
from acestep_plugins.adapters.stored import COUNT, DIFFUSERS_HEADER, OVER_BASE, SCALED, Stored, read_stored
from acestep_plugins.adapters.whole import BIAS, WEIGHT, Whole, of_layer

LORA = "lora-svd"
RANK = 64
# What a file says of its own layout, and not of what it holds.
_LAYOUT = (COUNT, "adapter", "algo", "format", "lokr_config", "loha_config", DIFFUSERS_HEADER, *OVER_BASE)
# Relative to weights, not to their change: eight bits of them would be louder than many an adapter.
_ALWAYS_FLOAT32 = ("magnitude", "rescale")

Layers = dict[str, dict[str, torch.Tensor]]
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class _Plan:
    """Tensors to write, the change each layer must have when read back, and what to tell."""

    layers: Layers
    expected: Mapping[str, Callable[[], torch.Tensor]]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def export(
    path: Path,
    to: str,
    out: Path,
    settings: ExportSettings,
    *,
    scale: float,
    weights: Weights | None,
    on_layer: Told,
) -> Exported:
    """Write it to the file or folder `out`."""
    stored = read_stored(path)
    _check_numbers(stored)
    branches = stored_branches(stored)
    looked_at = weights or probes(stored, branches)
    nearest_lora = to == LORA or settings.approximates
    if nearest_lora:
        _check_weights(stored, branches, weights)
        plan = _approximated(stored, branches, scale, settings, looked_at, on_layer)
    else:
        check_known(stored, to)
        layers = _as_it_is(stored, branches, to, scale, weights)
        expected = {n: lambda n=n: scale * effect(stored, n, branches[n], looked_at) for n in branches}
        plan = _Plan(layers, expected)
    layers = _in_precision(plan.layers, settings.dtype)
    _write(to, out, layers, _header(stored, to, scale, settings, nearest_lora), stored)
    told = {} if nearest_lora else {"on_layer": on_layer}  # of what takes long
    differences = check_same(plan.expected, out, settings.dtype or "float32", looked_at, **told)
    worst = max(differences.values(), default=0.0)
    done = f"read back and compared: the change of {len(layers)} layers is the same, to {worst:.1g} of it"
    facts = [{"layer": n, "difference": d, **plan.facts.get(n, {})} for n, d in differences.items()]
    return Exported([*stored.notes, *plan.notes, done], facts)


def _as_it_is(stored: Stored, branches: Mapping[str, Branch], to: str, scale: float, weights: Weights | None) -> Layers:
    if scale != 1.0:
        _check_scales(stored, branches)
    layers: Layers = {}
    for name, leaves in stored.layers.items():
        kind = stored.kind_of(name)
        there = [leaf for leaf in SCALED.get(kind, ()) if leaf in leaves]
        scaled = there if kind == "full" else there[:1]  # of a product, the first factor
        layers[name] = dict(leaves) | ({leaf: leaves[leaf].float() * scale for leaf in scaled} if scale != 1.0 else {})
    over_base = to == "comfyui"
    for name in _other_norms(stored, branches, over_base, weights):
        with torch.no_grad():
            layers[name]["magnitude"] = branches[name].magnitude_over(weights(name), over_base)
    return layers


def _check_scales(stored: Stored, branches: Mapping[str, Branch]) -> None:
    bound = next((n for n, branch in branches.items() if branch.needs_base), None)
    if bound is not None:
        raise UserError(
            f"No strength can be written into a file for {stored.path}: the change of {bound} depends on the weights",
            f"use --to merged or {LORA}, or choose the strength when it is used",
        )


def _other_norms(stored: Stored, branches: Mapping[str, Branch], over_base: bool, weights: Weights | None) -> list[str]:
    """The layers whose magnitudes have to be converted, for which the model is needed."""
    found = [n for n, b in branches.items() if isinstance(b, Additive) and b.needs_base
             and b.magnitude.shape[1] == 1 and b.over_base != over_base]  # fmt: skip
    if found and weights is None:
        raise UserError(f"DoRA in {stored.path} is over other norms than in ComfyUI, which has those of the model's "
                        "weights", "add --model DIR, and --variant where it holds several")  # fmt: skip
    return found


def _check_weights(stored: Stored, branches: Mapping[str, Branch], weights: Weights | None) -> None:
    if weights is None and any(branch.needs_base for branch in branches.values()):
        raise UserError(f"What {stored.path} changes depends on the model's weights, and a LoRA does not",
                        "add --model DIR, and --variant where it holds several")  # fmt: skip


def _approximated(
    stored: Stored,
    branches: Mapping[str, Branch],
    scale: float,
    settings: ExportSettings,
    weights: Weights,
    on_layer: Told,
) -> _Plan:
    """The nearest LoRA of each layer, and how near it is."""
    rank = settings.rank if settings.approximates else RANK
    layers: Layers = {}
    facts: dict[str, dict[str, float]] = {}
    unlike = _without_matrix(stored, branches)
    left = total = sum(unlike.values())
    for i, (name, branch) in enumerate(branches.items()):
        if isinstance(branch, Whole) and not of_layer(name, stored.layers[name]):
            continue
        with torch.no_grad():
            delta = branch.diff if isinstance(branch, Whole) else effect(stored, name, branch, weights)
            up, down = nearest(delta.flatten(1), branch, rank, settings.max_error)
            shaped = scale * up.view(*up.shape, *[1] * (delta.ndim - 2)), down.view(len(down), *delta.shape[1:])
            error, norm = float((up @ down - delta.flatten(1)).norm()), float(delta.norm())
        layers[name] = {"up": shaped[0].contiguous(), "down": shaped[1].contiguous()}
        facts[name] = {"rank": len(down), "error": error / norm if norm else 0.0}
        left, total = left + error**2, total + norm**2
        on_layer(i + 1, len(branches))
    _check_errors(facts, settings)
    relative = (left / total) ** 0.5 if total else 0.0
    worst, most = (max(f[key] for f in facts.values()) for key in ("error", "rank"))
    note = (f"written as a LoRA of rank {most}: relative error {relative:.2e} over all, "
            f"{worst:.2e} in the worst layer")  # fmt: skip
    expected = {n: lambda n=n: layers[n]["up"].flatten(1) @ layers[n]["down"].flatten(1) for n in layers}
    return _Plan(layers, expected, (*_left_out(unlike, total), note), facts)


def _without_matrix(stored: Stored, branches: Mapping[str, Branch]) -> dict[str, float]:
    """What no LoRA changes, such as norms, by name; and the square of the norm of each change."""
    found: dict[str, float] = {}
    for name, branch in branches.items():
        if isinstance(branch, Whole):
            layer = of_layer(name, stored.layers[name])
            found |= {f"{name}.{leaf}": float(t.norm()) ** 2 for leaf, t in branch.folded().items()
                      if leaf == BIAS or not layer}  # fmt: skip
    if not any(of_layer(n, leaves) for n, leaves in stored.layers.items() if WEIGHT in leaves) and found:
        raise UserError(f"{stored.path} changes nothing that a LoRA changes too", "use --to merged or comfyui")
    return found


def _left_out(unlike: Mapping[str, float], total: float) -> Iterator[str]:
    if unlike:
        share = (sum(unlike.values()) / total) ** 0.5 if total else 0.0
        yield f"left out, as no LoRA has them: norms, tables and biases, {share:.1e} of the change"


def _check_errors(facts: Mapping[str, Mapping[str, float]], settings: ExportSettings) -> None:
    limit = settings.max_error
    over = [n for n, f in facts.items() if limit is not None and f["error"] > limit]
    if over:
        worst = max(over, key=lambda n: facts[n]["error"])
        raise UserError(
            f"Rank {settings.rank} leaves an error above {limit:g} in {len(over)} of {len(facts)} layers, "
            f"{facts[worst]['error']:.2g} in {worst}",
            "give more --rank or --max-error, or leave --rank out",
        )


def _in_precision(layers: Layers, dtype: str | None) -> Layers:
    """Raises `UserError` for numbers that the precision cannot hold."""
    if dtype is None:
        return layers
    to = getattr(torch, dtype)
    cast = {n: {leaf: t.float() if leaf in _ALWAYS_FLOAT32 else t.to(to) for leaf, t in leaves.items()}
            for n, leaves in layers.items()}  # fmt: skip
    lost = [n for n, leaves in cast.items() if not all(torch.isfinite(t).all() for t in leaves.values())]
    if lost:
        raise UserError(f"{dtype} cannot hold the numbers of {', '.join(lost)}", "use --dtype bfloat16")
    return cast


def _check_numbers(stored: Stored) -> None:
    raise_all((UserError(f"{stored.path} holds NaN or infinity in {name}", "take an earlier checkpoint")
               for name, leaves in stored.layers.items()
               if not all(torch.isfinite(t.float()).all() for t in leaves.values())), str(stored.path))  # fmt: skip


def _header(stored: Stored, to: str, scale: float, settings: ExportSettings, nearest_lora: bool) -> dict[str, str]:
    kept = {k: v for k, v in stored.header.items() if k not in _LAYOUT}
    given = {"trigger": settings.trigger, "author": settings.author, "license": settings.license}
    made = {"approximates": stored.kind} if nearest_lora and stored.kind != "lora" else {}
    strength = {"exported_scale": f"{scale:g}"} if scale != 1.0 else {}
    over_base = OVER_BASE if to == "comfyui" and stored.decomposed and not nearest_lora else {}
    return kept | said(given) | made | strength | over_base


def _write(to: str, out: Path, layers: Layers, info: Mapping[str, str], stored: Stored) -> None:
    kinds = {kind_among(leaves) for leaves in layers.values()}
    if to == "diffusers":
        writing.save_diffusers(out, layers, info)
    elif kinds == {"full"}:
        writing.save_whole(out, layers, info, COMFYUI if to == "comfyui" else LYCORIS)
    elif to == "comfyui" and kinds == {"lora"}:
        writing.save_comfyui(out, layers, info)
    elif to in ("reference", LORA) and kinds == {"lora"}:
        writing.save_lora(out, layers, info)
    elif to == "reference" and kinds == {"oft"}:
        writing.oft_saver(stored.config)(out, layers, info)
    else:
        config = {k: stored.config[k] for k in ("factor", "decompose_both") if k in stored.config}
        file = out / writing.LOKR_FILE if to == "reference" else out
        writing.save_lycoris(file, layers, info, config, stored.constraints)
