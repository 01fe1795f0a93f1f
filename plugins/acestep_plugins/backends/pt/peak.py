"""How much memory a training really took: the device's own count, or what the process grew by where that is the CPU."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from acestep_core.jobs import TrainJob

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def with_peak(events: Iterator[Any], job: TrainJob) -> Iterator[Any]:
    """The events of a training; at its end a record of the most bytes in use at once, where that can be known."""
    device = torch.device(job.dit.device_name)
    peak = _of_process(job.dit) if device.type == "cpu" else _of_device(device)
    yield from events
    if peak is not None:
        last = max((r["step"] for r in job.run.metrics()), default=0)
        counted = "process" if device.type == "cpu" else "device"
        yield {"event": "memory", "step": last, "peak": peak(), "counted": counted}


def _of_device(device: torch.device) -> Callable[[], int] | None:
    """From here on, weights that are there included. None for a device that does not count."""
    count = getattr(torch, device.type)
    if not hasattr(count, "reset_peak_memory_stats"):
        return None
    count.reset_peak_memory_stats(device)
    return lambda: count.max_memory_allocated(device)


def _of_process(dit: Any) -> Callable[[], int] | None:
    """Weights, and how far the process grows from here on: what loading has freed and training uses is not seen."""
    try:
        _RESET.write_text("5", encoding="ascii")  # the kernel's mark of the highest begins anew
        before = _status("VmRSS")
    except OSError:
        return None
    modules = [dit.decoder.module, *([dit.encoder] if hasattr(dit, "encoder") else [])]
    weights = sum(p.nbytes for module in modules for p in module.parameters())
    return lambda: weights + max(0, _status("VmHWM") - before)


def _status(name: str) -> int:
    return 1024 * int(re.search(rf"{name}:\s+(\d+)", _STATUS.read_text(encoding="ascii"))[1])
