"""What a checkpoint needs besides the adapter: raw weights and the optimizer, in safetensors and JSON, no pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from acestep_core import UserError

TENSORS, FACTS = "state.safetensors", "state.json"


def save(folder: Path, step: int, parameters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
    """`parameters` are stored unfolded, as they are trained."""
    tensors = {f"parameter/{k}": v.detach().cpu().contiguous() for k, v in parameters.items()}
    inner = optimizer.state_dict()
    facts: dict[str, Any] = {"step": step, "groups": inner["param_groups"], "scalars": {}}
    for index, entry in inner["state"].items():
        for key, value in entry.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer/{index}/{key}"] = value.detach().cpu().contiguous().clone()
            else:
                facts["scalars"][f"{index}/{key}"] = value
    save_file(tensors, str(folder / TENSORS))
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


def load(folder: Path, parameters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> int:
    """Fill parameters and optimizer; the step they were saved at. Raises `UserError` for anything that differs."""
    try:
        tensors = load_file(str(folder / TENSORS))
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except Exception as e:  # damaged in any way
        raise UserError(
            f"The checkpoint {folder} is damaged ({e})", "delete that folder to go on from the one before"
        ) from e
    stored = {k.removeprefix("parameter/"): v for k, v in tensors.items() if k.startswith("parameter/")}
    if stored.keys() != parameters.keys() or any(stored[k].shape != p.shape for k, p in parameters.items()):
        raise UserError(f"The checkpoint {folder} is of another adapter or model", "give another --out")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(stored[name])
    optimizer.load_state_dict({"state": _entries(tensors, facts), "param_groups": facts["groups"]})
    return facts["step"]


def _entries(tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    entries: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, index, name = key.split("/", 2)
            entries.setdefault(int(index), {})[name] = value
    for key, value in facts["scalars"].items():
        index, name = key.split("/", 1)
        entries.setdefault(int(index), {})[name] = value
    return entries
