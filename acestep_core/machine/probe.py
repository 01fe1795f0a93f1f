"""How the machine is looked at. Checks see nothing but a `Probe`, so that a test can be any broken machine."""

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

_PATIENCE_S = 120.0
_MARK = "acestep-torch:"
_ASK_TORCH = f"""
import json, warnings
warnings.simplefilter("ignore")
import torch
cuda, xpu, mps = torch.cuda, getattr(torch, "xpu", None), torch.backends.mps
sees = [n for n, api in (("cuda", cuda), ("xpu", xpu), ("mps", mps)) if api is not None and api.is_available()]
print("{_MARK}" + json.dumps({{
    "version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip,
    "xpu": getattr(torch.version, "xpu", None), "mps": mps.is_built(), "sees": sees,
    "archs": cuda.get_arch_list() if "cuda" in sees else [],
    "capabilities": [cuda.get_device_capability(i) for i in range(cuda.device_count())] if "cuda" in sees else [],
    "memory": torch.mps.recommended_max_memory() if "mps" in sees else None,
}}))
"""


@dataclass(frozen=True)
class Torch:
    """What PyTorch says of itself. With a `problem` it could not be imported, and the rest is unknown."""

    problem: str = ""
    version: str = ""
    cuda: str | None = None
    """The CUDA it was built for; likewise ROCm's and Intel's."""
    hip: str | None = None
    xpu: str | None = None
    mps: bool = False
    """Whether it was built with Apple's."""
    sees: Sequence[str] = ()
    """Of cuda (which is ROCm's name too), xpu and mps those that it can use here."""
    archs: Sequence[str] = ()
    capabilities: Sequence[Sequence[int]] = ()
    memory: int | None = None
    """Bytes that Apple's GPU should take at most."""


@dataclass(frozen=True)
class Imported:
    """How a piece of code ended in a process of its own."""

    output: str
    problem: str = ""


def _run(command: Sequence[str]) -> str | None:
    """What a program prints; None where there is none of that name, or it fails."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout if ran.returncode == 0 else None


def _python(code: str) -> Imported:
    """Whatever an import does, crash included, stays in its process."""
    command = [sys.executable, "-c", code]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return Imported("", f"it did not end within {_PATIENCE_S:g} s")
    if ran.returncode == 0:
        return Imported(ran.stdout)
    if ran.returncode < 0:
        return Imported(ran.stdout, f"the process ended with {signal.Signals(-ran.returncode).name}")
    lines = [line for line in ran.stderr.splitlines() if line and not line.startswith(" ")]
    return Imported(ran.stdout, lines[-1] if lines else f"exit code {ran.returncode}")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _room(folder: Path) -> int:
    from acestep_core.hub.plan import free_bytes

    return free_bytes(folder)


@dataclass(frozen=True)
class Probe:
    """The machine that checks look at; the real one unless a test says otherwise."""

    system: str = sys.platform
    machine: str = platform.machine()
    root: Path = Path("/")
    """Where /sys, /proc, /dev and /etc lie."""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    run: Callable[[Sequence[str]], str | None] = _run
    python: Callable[[str], Imported] = _python
    version: Callable[[str], str | None] = _version
    room: Callable[[Path], int] = _room

    @cached_property
    def torch(self) -> Torch:
        done = self.python(_ASK_TORCH)
        for line in done.output.splitlines():
            if line.startswith(_MARK):
                told: dict[str, Any] = json.loads(line.removeprefix(_MARK))
                return Torch(**told)
        return Torch(problem=done.problem or "it says nothing")

    def read(self, path: str) -> str | None:
        """A small file below `root`; None where it cannot be read."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None
