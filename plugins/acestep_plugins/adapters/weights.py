"""Adapter tensors on disk: safetensors only, every key accounted for."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from acestep_core import UserError
from acestep_core.files import parts_in_order


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """(tensors, header) of a safetensors file."""
    try:
        with safe_open(str(path), "pt") as f:
            return {k: f.get_tensor(k) for k in f.keys()}, dict(f.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as e:
        raise UserError(f"{path} is no readable safetensors file ({e})", "copy it again") from e


def write(path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    with open(temporary, "wb") as f:
        f.writelines(parts_in_order(save(plain, metadata={"format": "pt", **header})))
    temporary.replace(path)


def copy_all(tensors: Mapping[str, torch.Tensor], into: Mapping[str, torch.Tensor], path: Path) -> None:
    """Copy tensors into the parameters of the same name. Raises `UserError` telling everything that does not fit."""
    lines = [f"missing {k}" for k in sorted(into.keys() - tensors.keys())]
    lines += [f"unexpected {k}" for k in sorted(tensors.keys() - into.keys())]
    for key in sorted(into.keys() & tensors.keys()):
        if into[key].shape != tensors[key].shape:
            lines.append(f"{key} is {tuple(tensors[key].shape)}, this model needs {tuple(into[key].shape)}")
    lines += [f"{k} holds NaN or infinity" for k, v in tensors.items() if not torch.isfinite(v).all()]
    if lines:
        matched = len(into.keys() & tensors.keys())
        raise UserError(
            f"{path} does not fit this model, {matched} of {len(into)} tensors match:\n  " + "\n  ".join(lines),
            "was it trained on another size of model (2B, XL)?",
        )
    with torch.no_grad():
        for key, parameter in into.items():
            parameter.copy_(tensors[key].to(parameter.device, parameter.dtype))


def add_to_base(linear: torch.nn.Linear, delta: torch.Tensor) -> None:
    """Change a frozen weight for good; the sum is made in float32. Raises `UserError` for one of 8 bits."""
    if type(linear.weight) not in (torch.Tensor, torch.nn.Parameter):
        kind = type(linear.weight).__name__
        raise UserError(f"An adapter cannot be merged into 8-bit weights ({kind})", "use backend.quantization=none")
    with torch.no_grad():
        weight = linear.weight
        linear.weight = torch.nn.Parameter((weight.float() + delta.float()).to(weight.dtype), requires_grad=False)
