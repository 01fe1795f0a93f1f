"""Which device and precision to use, and how much memory is left there."""

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from acestep_core import UserError
from acestep_core.processes import local_rank

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


@dataclass(frozen=True)
class Place:
    """A device and the precision the frozen model has on it."""

    device: torch.device
    dtype: torch.dtype


def choose(device: str, dtype: str) -> Place:
    """The place for 'auto' or explicit names; of several processes each has a GPU of its own, unless one is named.

    Raises `UserError` for a device this machine does not have.
    """
    chosen = _own(torch.device(_best() if device == "auto" else _existing(device)))
    return Place(chosen, _best_dtype(chosen) if dtype == "auto" else getattr(torch, dtype))


def use(place: Place) -> None:
    """Make its GPU the one for whatever does not say which."""
    if place.device.type in ("cuda", "xpu") and place.device.index is not None:
        getattr(torch, place.device.type).set_device(place.device)


def free_bytes(device: torch.device) -> int | None:
    """Memory free on a CUDA or XPU device; None where it cannot be asked."""
    if device.type in ("cuda", "xpu"):
        return getattr(torch, device.type).mem_get_info(device)[0]
    return None


def free_memory() -> int | None:
    """Memory of the machine itself that processes could still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)


def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks for the next layer instead of returning them to the kernel page by page.

    On the CPU that return trip is most of the codec's time (benchmarks/codec.py). Does nothing elsewhere.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt"):
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(parameter, 2**30)


def release(device: torch.device) -> None:
    """Hand cached memory back after a part was dropped."""
    if device.type in ("cuda", "xpu", "mps"):
        getattr(torch, device.type).empty_cache()


def _available() -> list[str]:
    kinds = {"cuda": torch.cuda, "mps": torch.backends.mps, "xpu": getattr(torch, "xpu", None)}
    return [name for name, api in kinds.items() if api is not None and api.is_available()] + ["cpu"]


def _best() -> str:
    return _available()[0]


def _existing(device: str) -> str:
    try:
        kind = torch.device(device).type
    except RuntimeError:
        kind = ""
    if kind not in _available():
        raise UserError(f"This machine has no device '{device}' for PyTorch", f"use {' or '.join(_available())}")
    return device


def _own(device: torch.device) -> torch.device:
    """That of this process, by its number on this machine."""
    rank = local_rank()
    if rank is None or device.index is not None or device.type not in ("cuda", "xpu"):
        return device
    count = getattr(torch, device.type).device_count()
    if rank >= count:
        raise UserError(
            f"There are {count} {device.type} devices here, and none for process {rank} of this machine",
            f"start it with --nproc-per-node {count}, or say -o backend.device=cpu",
        )
    return torch.device(device.type, rank)


def _best_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    return torch.bfloat16 if device.type == "xpu" else torch.float32
