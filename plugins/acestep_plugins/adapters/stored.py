"""Reads an adapter file of any program at its true strength: what scales it is multiplied in, 1 is as trained."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from acestep_core import UserError
from acestep_core.adapters import adapter_file
from acestep_core.errors import raise_all
from acestep_core.layer_names import layer_to_diffusers
from acestep_plugins.adapters.layouts import Name, kind_among, layout_words, parsed
from acestep_plugins.adapters.weights import read

CONFIG, PEFT_FILE = "adapter_config.json", "adapter_model.safetensors"
DIFFUSERS_HEADER = "lora_adapter_metadata"
# In the header of our files for ComfyUI: magnitudes are over the norm of the base weight.
OVER_BASE = {"dora_norm": "base"}
WIDTHS = {2048: "2B", 2560: "XL"}
# What the first (scaled) factor of each kind is called.
SCALED = {"lora": ("up",), "lokr": ("lokr_w1", "lokr_w1_a"), "loha": ("hada_w1_a",), "full": ("diff", "diff_b")}
# In the header of our files of whole weights: how many tensors there have to be.
COUNT = "full_tensors"


@dataclass(frozen=True)
class Stored:
    """Tensors by layer and leaf, at strength 1, and what else the file says."""

    path: Path
    layout: str
    layers: Mapping[str, Mapping[str, torch.Tensor]]
    scales: Mapping[str, float]
    header: Mapping[str, str]
    config: Mapping[str, Any]
    constraints: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def kind_of(self, layer: str) -> str:
        return kind_among(self.layers[layer]) or ""

    @property
    def kind(self) -> str:
        return kind_among(leaf for leaves in self.layers.values() for leaf in leaves) or ""

    @property
    def ranks(self) -> dict[str, int]:
        """Of the layers that have one."""
        found = {name: rank_of(self.kind_of(name), leaves) for name, leaves in self.layers.items()}
        return {name: rank for name, rank in found.items() if rank is not None}

    @property
    def decomposed(self) -> bool:
        return any("magnitude" in leaves for leaves in self.layers.values())

    @property
    def over_base(self) -> bool:
        """Whether magnitudes are over the norm of the base weight."""
        return OVER_BASE.items() <= self.header.items()

    @property
    def width(self) -> int | None:
        """Hidden size of the model it was made for."""
        for name, leaves in self.layers.items():
            if re.fullmatch(r"layers\.\d+\.(cross_attn\.[qo]_proj|self_attn\.[qkvo]_proj|mlp\..*)", name):
                outputs, inputs = self.size_of(name) or (None, None)
                if "oft_R" in leaves and not self.config.get("block_share"):
                    inputs = leaves["oft_R"].shape[0] * block_of(leaves["oft_R"])
                found = outputs if name.endswith(("down_proj", "o_proj")) else inputs
                if found is not None:
                    return found
        return None

    @property
    def depth(self) -> int:
        """The highest number of a changed layer, and one."""
        numbers = [int(m[1]) for n in self.layers if (m := re.match(r"layers\.(\d+)\.", n))]
        return max(numbers, default=-1) + 1

    def size_of(self, layer: str) -> tuple[int, int] | None:
        """(outputs, inputs) of the layer as the tensors have it; None where they do not tell."""
        return _size_of(self.kind_of(layer), self.layers[layer])


@dataclass(frozen=True)
class _Peft:
    """What adapter_config.json, or diffusers' header, says about strength."""

    content: Mapping[str, Any]
    where: str

    def strength(self, layer: str, rank: int) -> float:
        alpha = self._of("alpha_pattern", layer, self.content.get("lora_alpha", self.content.get("alpha")))
        expected = self._of("rank_pattern", layer, self.content.get("r"))
        if alpha is None or expected is None:
            raise UserError(f"{self.where} lacks its alpha or its r", "restore the adapter's own file")
        if int(expected) != rank:
            raise UserError(f"{self.where} says rank {expected} of {layer}, the tensors have {rank}",
                            "the two files do not belong together; restore the adapter's own")  # fmt: skip
        return float(alpha) / (math.sqrt(rank) if self.content.get("use_rslora") else rank)

    def _of(self, patterns: str, layer: str, default: Any) -> Any:
        """PEFT's rule: the first pattern that fits the end of the name. Names may be diffusers'."""
        for pattern, value in (self.content.get(patterns) or {}).items():
            if any(re.fullmatch(rf"(.*\.)?({pattern})", n) for n in (layer, layer_to_diffusers(layer))):
                return value
        return default


def read_stored(path: Path) -> Stored:
    """Raises `UserError` naming every key that is no adapter's, or that lacks its other half."""
    file = adapter_file(path)
    tensors, header = read(file)
    names = {key: parsed(key) for key in tensors}
    unknown = [key for key, name in names.items() if name is None]
    if unknown or not names:
        raise UserError(f"{file}: {len(unknown)} of {len(names)} keys belong to no adapter known here:\n  "
                        + "\n  ".join(unknown), "only lora, lokr, loha, oft and full are read")  # fmt: skip
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for key, name in names.items():
        if name.leaf in layers.setdefault(name.layer, {}):
            raise UserError(f"{file} has {name.leaf} of {name.layer} twice, such as {key}", "it holds two adapters")
        layers[name.layer][name.leaf] = tensors[key]
    _check_complete(file, layers, header)
    config, notes = _config_beside(file, header)
    peft = _Peft(*config) if config else None
    scales, constraints = _fold(layers, peft, _written(names))
    if not peft and not header.get("adapter") and any(s is None for s in scales.values()):
        notes.append("the file says nothing about its strength: alpha is taken to be the rank")
    found = {name: 1.0 if s is None else s for name, s in scales.items()}
    settings = peft.content if peft else _lycoris_config(header, notes)
    return Stored(path, layout_words(names.values()), layers, found, header, settings, constraints, tuple(notes))


def _written(names: Mapping[str, Name]) -> set[str]:
    return {n.layer for n in names.values() if n.written.startswith(("lora_A", "lora_B"))}


def _fold(
    layers: dict[str, dict[str, torch.Tensor]], peft: _Peft | None, as_peft: set[str]
) -> tuple[dict[str, float | None], dict[str, float]]:
    """Multiply the strengths in; (strength of each layer or None where nothing says it, constraints of rotations)."""
    scales: dict[str, float | None] = {}
    constraints: dict[str, float] = {}
    for name, leaves in layers.items():
        kind, alpha = kind_among(leaves), leaves.pop("alpha", None)
        number = None if alpha is None else float(alpha)
        if (magnitude := leaves.get("magnitude")) is not None:
            by_input = magnitude.ndim > 1 and magnitude.shape[0] == 1
            leaves["magnitude"] = magnitude.flatten()[None] if by_input else magnitude.flatten()[:, None]
        if kind in ("oft", "full"):
            scales[name] = 1.0
            constraints |= {name: number or 0.0} if kind == "oft" else {}
            continue
        rank = rank_of(kind, leaves)
        scales[name] = _strength(kind, name, rank, number, peft, name in as_peft)
        if scales[name] not in (None, 1.0):
            leaf = next(leaf for leaf in SCALED[kind] if leaf in leaves)
            leaves[leaf] = leaves[leaf].float() * scales[name]
    return scales, constraints


def _strength(
    kind: str, name: str, rank: int | None, alpha: float | None, peft: _Peft | None, as_peft: bool
) -> float | None:
    if peft and (as_peft or alpha is None):  # PEFT takes no notice of alpha tensors
        return peft.strength(name, rank or int(peft.content.get("r", 1)))
    if kind == "lokr" and rank is None:
        return 1.0  # both factors whole: every program ignores alpha
    return None if alpha is None else alpha / rank


def rank_of(kind: str | None, leaves: Mapping[str, torch.Tensor]) -> int | None:
    """None for rotations and for LoKr whose factors are whole."""
    first = {"lora": ("down",), "loha": ("hada_w1_b",), "lokr": ("lokr_w2_b", "lokr_w1_b")}.get(kind or "", ())
    return next((int(leaves[leaf].shape[0]) for leaf in first if leaf in leaves), None)


def block_of(oft: torch.Tensor) -> int:
    """Inputs turned together, of [blocks, size · (size - 1) / 2]."""
    return round((1 + (1 + 8 * oft.shape[1]) ** 0.5) / 2)


def _size_of(kind: str, leaves: Mapping[str, torch.Tensor]) -> tuple[int, int] | None:
    if kind == "lora":
        return leaves["up"].shape[0], leaves["down"][0].numel()
    if kind == "full":
        return leaves["diff"].shape[0], leaves["diff"][0].numel()
    if kind == "loha":
        if "hada_t1" in leaves:
            return leaves["hada_w1_a"].shape[1], leaves["hada_w1_b"].shape[1] * leaves["hada_t1"][0, 0].numel()
        return leaves["hada_w1_a"].shape[0], leaves["hada_w1_b"][0].numel()
    if kind == "lokr":
        first, second = (_factor(leaves, f"lokr_w{i}") for i in (1, 2))
        return first[0] * second[0], first[1] * second[1]
    return None


def _factor(leaves: Mapping[str, torch.Tensor], leaf: str) -> tuple[int, int]:
    if leaf in leaves:
        return leaves[leaf].shape[0], leaves[leaf][0].numel()
    a, b = leaves[f"{leaf}_a"], leaves[f"{leaf}_b"]
    if leaf == "lokr_w2" and "lokr_t2" in leaves:
        return a.shape[1], b.shape[1] * leaves["lokr_t2"][0, 0].numel()
    return a.shape[0], b[0].numel()


_HALVES = {
    "lora": ((("down",), ("up",)),),
    "loha": ((("hada_w1_a",), ("hada_w1_b",)), (("hada_w2_a",), ("hada_w2_b",))),
    "lokr": (
        (("lokr_w1", "lokr_w1_a"), ("lokr_w1", "lokr_w1_b")),
        (("lokr_w2", "lokr_w2_a"), ("lokr_w2", "lokr_w2_b")),
    ),
    "oft": (),
    "full": ((("diff",), ("diff",)),),
}


def _check_complete(file: Path, layers: Mapping[str, Mapping[str, torch.Tensor]], header: Mapping[str, str]) -> None:
    there = sum(map(len, layers.values()))
    if header.get(COUNT, str(there)) != str(there):
        raise UserError(f"{file} holds {there} tensors and should hold {header[COUNT]}", "copy it again")
    if len({leaf.startswith("diff") for leaves in layers.values() for leaf in leaves if leaf != "alpha"}) > 1:
        raise UserError(f"{file} holds changes of whole weights beside another adapter", "make two files of it")
    errors = []
    for name, leaves in layers.items():
        kind = kind_among(leaves)
        halves = [half for pair in _HALVES.get(kind or "", ()) for half in pair]
        missing = [half[-1] for half in halves if not any(leaf in leaves for leaf in half)]
        if kind is None or missing or any(t.ndim == 0 for leaf, t in leaves.items() if leaf != "alpha"):
            errors.append(UserError(f"{name} has {', '.join(leaves)} but no {', '.join(missing) or 'weights'}"))
        elif kind == "lora" and leaves["down"].shape[0] != leaves["up"].shape[1]:
            errors.append(UserError(f"the two factors of {name} have ranks {leaves['down'].shape[0]} and "
                                    f"{leaves['up'].shape[1]}"))  # fmt: skip
    raise_all(errors, str(file))


def _config_beside(file: Path, header: Mapping[str, str]) -> tuple[tuple[dict[str, Any], str] | None, list[str]]:
    """((settings, where they are from) or None, notes). Only PEFT's own file name has PEFT's settings beside it."""
    beside = file.with_name(CONFIG)
    if file.name == PEFT_FILE and beside.is_file():
        return (_json(beside.read_text(encoding="utf-8"), beside), str(beside)), []
    notes = [f"{CONFIG} beside it belongs to {PEFT_FILE} and is not used"] if beside.is_file() else []
    if DIFFUSERS_HEADER not in header:
        return None, notes
    content = _json(header[DIFFUSERS_HEADER], f"the header of {file}")
    return ({k.removeprefix("transformer."): v for k, v in content.items()}, f"the header of {file}"), notes


def _lycoris_config(header: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    """Nothing here depends on it: what is odd is told and left out."""
    for key in ("lokr_config", "loha_config"):
        try:
            if key in header:
                return _json(header[key], f"{key} in the header")
        except UserError as e:
            notes.append(f"{e.problem}: it is left out")
    return {}


def _json(text: str, where: Any) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as e:
        raise UserError(f"{where} is no valid JSON ({e})", "restore the adapter's own file") from e
    if not isinstance(content, dict):
        raise UserError(f"{where} holds no JSON object", "restore the adapter's own file")
    return content


def usual(ranks: Mapping[str, int]) -> int | None:
    """The most frequent rank."""
    return Counter(ranks.values()).most_common(1)[0][0] if ranks else None
