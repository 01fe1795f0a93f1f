"""Weights of the transformer blocks in 8 bits, through torchao: half the memory, and still `nn.Linear` layers that
adapters can be put around. Activations keep their precision, so this is about memory first.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from acestep_core import UserError

Kind = Literal["none", "int8", "fp8"]
INSTALL = 'pip install "acestep-core[quantize]"'
# Relative error of a layer on normal input above which the device does something else than the library means.
# Measured on normal weights: int8 0.006, fp8 0.03.
_MOST_ERROR = {"int8": 0.03, "fp8": 0.08}


@dataclass(frozen=True)
class Converted:
    """How many linear layers of how many hold 8-bit weights."""

    kind: str
    layers: int
    of: int

    def __str__(self) -> str:
        return f"{self.kind} weights in {self.layers} of {self.of} linear layers"


def quantise(modules: Mapping[str, nn.Module], kind: str, device: torch.device) -> Converted:
    """Convert the linear layers inside the blocks (`….layers.<n>.…`) of these modules, one at a time on `device`.

    Everything else stays where it is. Raises `UserError` where torchao is missing, finds nothing to convert, or gives
    wrong results on this device.
    """
    convert = _quantize_()
    linears = {f"{name}.{n}": m for name, module in modules.items() for n, m in module.named_modules() if _linear(m)}
    chosen = {name: m for name, m in linears.items() if ".layers." in name}
    if not chosen:
        raise UserError(f"There is no layer to convert to {kind}", "use -o backend.quantization=none")
    _check_device(convert, kind, device, next(iter(chosen.values())).weight.dtype)
    for module in chosen.values():
        convert(module, _config(kind), filter_fn=lambda m, name: True, device=device)
    done = sum(is_quantised(m) for m in chosen.values())
    if done < len(chosen):
        raise UserError(f"torchao converted {done} of {len(chosen)} layers to {kind}", INSTALL + " --upgrade")
    return Converted(kind, done, len(linears))


def is_quantised(linear: nn.Module) -> bool:
    return type(linear.weight) not in (torch.Tensor, nn.Parameter)


def check_installed() -> None:
    """Raise `UserError` with the command that mends it if torchao cannot be imported."""
    _quantize_()


def _linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)


def _quantize_() -> Any:
    try:
        from torchao.quantization import quantize_
    except ImportError as e:
        raise UserError(f"8-bit weights need torchao ({e})", INSTALL) from e
    return quantize_


def _config(kind: str) -> Any:
    from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig

    return {"int8": Int8WeightOnlyConfig, "fp8": Float8WeightOnlyConfig}[kind]()


def _check_device(convert: Any, kind: str, device: torch.device, dtype: torch.dtype) -> None:
    """A layer of its own is converted and tried, since what a device cannot do differs from one to the next."""
    precision = str(dtype).removeprefix("torch.")
    hint = "use -o backend.quantization=none, or another -o backend.device or -o backend.dtype"
    generator = torch.Generator().manual_seed(0)
    weight, x = (torch.randn(128, 128, generator=generator).to(device, dtype) for _ in range(2))
    layer = nn.Linear(128, 128, bias=False, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    try:
        wanted = layer(x).float()
        convert(layer, _config(kind), filter_fn=lambda m, name: True)
        error = ((layer(x).float() - wanted).norm() / wanted.norm()).item()
    except Exception as e:  # whatever the library meets on a device it does not know
        logging.getLogger(__name__).debug("8-bit trial failed", exc_info=e)
        reason = str(e).partition("\n")[0]
        raise UserError(f"{kind} weights do not work on {device.type} with {precision} ({reason})", hint) from e
    if not error < _MOST_ERROR[kind]:
        raise UserError(f"{kind} weights give wrong results on {device.type} with {precision} ({error:.0%} off)", hint)
