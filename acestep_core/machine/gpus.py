"""Which GPUs are in this machine, told without PyTorch: from Linux' own folders, nvidia-smi, or what Windows lists."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from acestep_core.machine.probe import Probe

_MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
_DISPLAY, _ACCELERATOR = "0x03", "0x12"  # PCI classes
_INTEGRATED = 3_000_000_000  # bytes: a GPU with less of its own memory shares the machine's
_SMI = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits")
_WINDOWS = ("powershell", "-NoProfile", "-Command",
            "Get-CimInstance Win32_VideoController | ForEach-Object { $_.Name + '|' + $_.DriverVersion }")  # fmt: skip
_WINDOWS_NAMES = {"NVIDIA": r"NVIDIA", "AMD": r"Radeon (RX|Pro|AI)|Instinct", "Intel": r"Intel.*\bArc\b"}


@dataclass(frozen=True)
class Gpu:
    """A GPU of its own memory, or Apple's. `driver` is its version or name, None where there is none."""

    maker: str
    name: str
    driver: str | None
    memory: int | None = None


def find_gpus(probe: Probe) -> list[Gpu]:
    """Integrated graphics, which no model would run on, are left out."""
    if probe.system == "darwin":
        return [Gpu("Apple", "Apple GPU", "macOS")] if probe.machine == "arm64" or translated(probe) else []
    told = list(_smi(probe))
    listed = _windows(probe) if probe.system == "win32" else _pci(probe)
    return told + [g for g in listed if not (told and g.maker == "NVIDIA")]


def translated(probe: Probe) -> bool:
    """Whether this Python was made for Intel and runs on Apple's processor."""
    return (probe.run(("sysctl", "-n", "sysctl.proc_translated")) or "").strip() == "1"


def _smi(probe: Probe) -> Iterator[Gpu]:
    for line in (probe.run(_SMI) or "").splitlines():
        name, driver, memory = (*(word.strip() for word in line.split(",")), "", "")[:3]
        if name and re.match(r"\d+\.", driver):
            yield Gpu("NVIDIA", name, driver, int(memory) * 2**20 if memory.isdigit() else None)


def _pci(probe: Probe) -> Iterator[Gpu]:
    for folder in sorted((probe.root / "sys/bus/pci/devices").glob("*")):
        maker = _MAKERS.get(_word(folder / "vendor"))
        if not maker or not _word(folder / "class").startswith((_DISPLAY, _ACCELERATOR)):
            continue
        memory = _word(folder / "mem_info_vram_total")
        size = int(memory) if memory.isdigit() else None
        if _of_its_own(maker, folder.name, size):
            yield Gpu(maker, f"{maker} GPU at {folder.name}", _driver(probe, maker, folder), size)


def _of_its_own(maker: str, place: str, memory: int | None) -> bool:
    """Intel's integrated graphics sit on the first bus, AMD's have next to no memory of their own."""
    if maker == "Intel":
        return not place.startswith("0000:00:")
    return maker != "AMD" or memory is None or memory > _INTEGRATED


def _driver(probe: Probe, maker: str, folder: Path) -> str | None:
    if maker == "NVIDIA":
        told = probe.read("proc/driver/nvidia/version") or ""
        said = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d+\.[\d.]+)", told)
        return said[1] if said else None
    if maker == "AMD":
        return "amdgpu" if (probe.root / "dev/kfd").exists() else None
    return next((name for name in ("xe", "i915") if (probe.root / "sys/module" / name).exists()), None)


def _windows(probe: Probe) -> Iterator[Gpu]:
    for line in (probe.run(_WINDOWS) or "").splitlines():
        name, _, driver = line.strip().partition("|")
        for maker, pattern in _WINDOWS_NAMES.items():
            if re.search(pattern, name):
                yield Gpu(maker, name, None if maker == "NVIDIA" else driver or None)


def _word(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip().lower()
    except (OSError, UnicodeDecodeError):
        return ""
