"""Whether a model fits this machine's device, roughly: its weights as they are loaded there, and room to work."""

from collections.abc import Sequence
from dataclasses import dataclass

# What a clip needs besides the weights; the reference reckons 0.3 to 1.0 GB per clip and 0.5 GB for safety.
WORKING_BYTES = 1_500_000_000


@dataclass(frozen=True)
class Device:
    name: str
    free_bytes: int
    bytes_per_parameter: int


def this_device() -> Device:
    """The device that generation takes by itself, and what is free on it now."""
    import torch

    if torch.cuda.is_available():
        return Device(torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0], 2)
    if torch.xpu.is_available():
        return Device(torch.xpu.get_device_name(), torch.xpu.mem_get_info()[0], 2)
    import psutil

    name = "Apple GPU" if torch.backends.mps.is_available() else "CPU"
    return Device(name, psutil.virtual_memory().available, 4)


def fits(parameters: Sequence[int], device: Device) -> str:
    """'yes' if parts of so many parameters fit together, 'in turn' if the largest does alone, or else 'no'."""
    needed = [n * device.bytes_per_parameter for n in parameters]
    if sum(needed) + WORKING_BYTES <= device.free_bytes:
        return "yes"
    return "in turn" if max(needed, default=0) + WORKING_BYTES <= device.free_bytes else "no"
