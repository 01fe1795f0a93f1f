"""What a checkpoint needs besides the adapter: raw weights, their average and the optimizer, in safetensors and JSON.

The optimizer's state is any nesting of dicts, lists and numbers with tensors as leaves; no pickle.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from acestep_core import UserError

TENSORS, FACTS = "state.safetensors", "state.json"
_WEIGHTS, _AVERAGE, _OPTIMIZER = "parameter/", "average/", "optimizer/"


def save(
    folder: Path,
    step: int,
    parameters: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, torch.Tensor],
) -> None:
    """`parameters` are stored unfolded, as they are trained; `average` is empty where none is kept."""
    tensors = {f"{_WEIGHTS}{k}": _stored(v) for k, v in parameters.items()}
    tensors |= {f"{_AVERAGE}{k}": _stored(v) for k, v in average.items()}
    facts = {"step": step, "optimizer": _taken_apart(optimizer.state_dict(), tensors)}
    save_file(tensors, str(folder / TENSORS))
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


def load(
    folder: Path,
    parameters: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, torch.Tensor],
) -> int:
    """Fill parameters, optimizer and average; the step they were saved at. Raises `UserError` for all that differs."""
    try:
        tensors = load_file(str(folder / TENSORS))
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        step, inner = facts["step"], _put_together(facts["optimizer"], tensors)
    except Exception as e:  # damaged in any way
        raise UserError(
            f"The checkpoint {folder} is damaged ({e})", "delete that folder to go on from the one before"
        ) from e
    _fill(parameters, tensors, _WEIGHTS, folder)
    _fill(average, tensors, _AVERAGE, folder)
    optimizer.load_state_dict(inner)
    return step


def is_state(path: Path) -> bool:
    """Whether a file of a checkpoint is for going on alone, and no part of its adapter."""
    return path.name in (TENSORS, FACTS)


@torch.no_grad()
def _fill(into: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor], prefix: str, folder: Path) -> None:
    stored = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    if stored.keys() != into.keys() or any(stored[k].shape != p.shape for k, p in into.items()):
        raise UserError(f"The checkpoint {folder} is of another adapter or model", "give another --out")
    for name, parameter in into.items():
        parameter.copy_(stored[name])


def _taken_apart(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """JSON of the value; its tensors go into `tensors`, each under a name that the JSON says."""
    if isinstance(value, torch.Tensor):
        name = f"{_OPTIMIZER}{len(tensors)}"
        tensors[name] = _stored(value)
        return {"tensor": name}
    if isinstance(value, Mapping):  # pairs, because keys need not be text
        return {"dict": [[k, _taken_apart(v, tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_taken_apart(v, tensors) for v in value]}
    return value


def _put_together(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "dict":
        return {k: _put_together(v, tensors) for k, v in inner}
    return {"list": list, "tuple": tuple}[kind](_put_together(v, tensors) for v in inner)


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of its own: safetensors takes no two tensors that share memory."""
    return tensor.detach().cpu().contiguous().clone()
