"""Machines that are made up: folders of Linux, answers of programs, and PyTorches that say what a test wants."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from acestep_core.machine.probe import Imported, Probe, Torch

HEALTHY = {"torch": "2.14.1", "torchaudio": "2.11.0"}


def machine(
    root: Path,
    *,
    torch: Torch | None = None,
    system: str = "linux",
    arch: str = "x86_64",
    packages: Mapping[str, str] = HEALTHY,
    broken: Mapping[str, str] | None = None,
    programs: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    room: int = 10**12,
) -> Probe:
    """`broken` says by name how imports fail, `programs` what they print."""
    torch = torch or Torch(version=packages.get("torch", ""), cuda="13.0")

    def python(code: str) -> Imported:
        last = code.strip().splitlines()[-1]
        for name, problem in (broken or {}).items():
            if last.endswith(name) or (name == "torch" and "acestep-torch" in code):
                return Imported("", problem)
        if "acestep-torch" in code:
            return Imported("a warning\nacestep-torch:" + json.dumps(asdict(torch)) + "\n")
        return Imported("")

    def run(command: Sequence[str]) -> str | None:
        return (programs or {}).get(command[0])

    return Probe(system, arch, root, environment or {}, run, python, packages.get, lambda folder: room)


def plug_in(root: Path, place: str, vendor: str, kind: str = "0x030000", **files: str) -> None:
    """A PCI device as Linux shows it."""
    folder = root / "sys/bus/pci/devices" / place
    folder.mkdir(parents=True)
    for name, text in {"vendor": vendor, "class": kind, **files}.items():
        (folder / name).write_text(f"{text}\n")


def write(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def nvidia(root: Path, driver: str | None = "580.65.06") -> None:
    plug_in(root, "0000:01:00.0", "0x10de")
    if driver:
        line = f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {driver}  Release Build  (dvs-builder)"
        write(root, "proc/driver/nvidia/version", line)
