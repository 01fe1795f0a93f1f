"""Reads original checkpoint folders into diffusers' modules: renamed keys, every key accounted for, no code run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from acestep_core import UserError
from acestep_core.checkpoint import check_tensors, weight_files
from acestep_core.layer_names import to_diffusers, to_original
from acestep_plugins.backends.pt.device import Place

PARTS = ("decoder.", "encoder.", "tokenizer.", "detokenizer.", "null_condition_emb")


def read_tensors(folder: Path, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """(key without prefix, tensor on the CPU) of every tensor below `prefix`, one at a time."""
    for opened in _opened(folder):
        for key in opened.keys():  # noqa: SIM118 (not a dict)
            if key.startswith(prefix):
                yield key.removeprefix(prefix), opened.get_tensor(key)


def read_names(folder: Path) -> Iterator[str]:
    """Names of all tensors. Raises `UserError` for missing or damaged files."""
    for opened in _opened(folder):
        yield from opened.keys()


def _opened(folder: Path) -> Iterator[Any]:
    for path in weight_files(folder):
        try:
            with safe_open(str(path), "pt") as f:
                yield f
        except SafetensorError as e:
            raise UserError(f"{path} is damaged ({e})", "download it again") from e


def check_foreign(folder: Path) -> None:
    """Raise `UserError` listing every key that belongs to no known part of an ACE-Step model."""
    foreign = [k for k in read_names(folder) if not k.startswith(PARTS)]
    if foreign:
        raise UserError(
            f"{folder} holds {len(foreign)} tensors that are no part of an ACE-Step 1.5 model:\n  "
            + "\n  ".join(foreign),
            "check that this is an unmodified model folder",
        )


def fill(module: nn.Module, folder: Path, prefix: str, place: Place) -> nn.Module:
    """Load all tensors below `prefix` into `module` (built on meta or CPU) and freeze it.

    Raises `UserError` listing every missing, unexpected or wrongly shaped tensor by its original name.
    """
    state = {to_diffusers(k): v.to(place.device, place.dtype) for k, v in read_tensors(folder, prefix)}
    check_match(module, state, f"{folder} ({prefix or 'weights'})")
    module.load_state_dict(state, assign=True)
    return module.to(place.device).eval().requires_grad_(False)


def check_match(module: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Raise `UserError` telling every difference between a module and the tensors meant for it."""
    check_tensors(_shapes(module.state_dict()), _shapes(state), where)


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {to_original(name): tuple(tensor.shape) for name, tensor in tensors.items()}
