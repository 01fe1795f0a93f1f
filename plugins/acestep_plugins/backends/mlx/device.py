"""Where MLX computes, and how precisely."""

from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from acestep_core import UserError


@dataclass(frozen=True)
class Place:
    """`device` is cpu or gpu, `dtype` the name of a precision."""

    device: str
    dtype: str

    @property
    def stream(self) -> Any:
        """What `mx.stream` takes."""
        return mx.gpu if self.device == "gpu" else mx.cpu

    @property
    def type(self) -> Any:
        return getattr(mx, self.dtype)


def choose(device: str, dtype: str) -> Place:
    """Raises `UserError` for a device that MLX does not have here."""
    if device == "auto":
        device = "gpu" if mx.default_device() == mx.gpu else "cpu"
    if device == "gpu" and not mx.is_available(mx.gpu):
        raise UserError("MLX has no GPU here", 'leave the option device out, or install "mlx[cuda13]" on Linux')
    if dtype == "auto":
        dtype = "bfloat16" if device == "gpu" else "float32"
    return Place(device, dtype)
