"""Checks of packages: PyTorch itself, torchaudio beside it, and what chosen backends need."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.version import InvalidVersion, Version

from acestep_core.errors import UserError
from acestep_core.machine.probe import Probe
from acestep_core.machine.trouble import Trouble, pip
from acestep_core.registry import Registry

LAST_TORCHAUDIO = 11  # 2.11 is its last release, and serves every PyTorch after 2.11 too
PT = "pt"


def check_torch(probe: Probe) -> Iterator[Trouble]:
    """Whether PyTorch can be imported."""
    if probe.torch.problem:
        there = probe.version("torch")
        what = f"PyTorch {there} cannot be imported: {probe.torch.problem}" if there else "PyTorch is not installed"
        yield Trouble("torch", what, pip(anew=bool(there)))


def check_torchaudio(probe: Probe) -> Iterator[Trouble]:
    """Whether it goes with this PyTorch and can be imported: where it cannot, transformers and peft cannot either."""
    audio, torch = probe.version("torchaudio"), probe.version("torch")
    if audio is None:
        yield Trouble("torchaudio", "torchaudio is not installed", pip(("torchaudio",)))
        return
    if torch is None or probe.torch.problem:
        return
    broken = probe.python("import torch, torchaudio").problem
    wanted = partner(torch)
    if wanted and not audio.startswith(f"{wanted}."):
        what = f"torchaudio {audio} was not made for torch {torch}, which goes with {wanted}"
        mend = f'pip install --force-reinstall --no-deps "torchaudio=={wanted}.*"'
        yield Trouble("torchaudio", f"{what}: {broken}" if broken else what, mend)
    elif broken:
        what = f"torchaudio {audio} cannot be imported beside torch {torch}, and without it transformers cannot either"
        yield Trouble("torchaudio", f"{what}: {broken}", pip(anew=True))


def partner(torch: str) -> str:
    """The torchaudio, as 2.9, that goes with a version of torch; empty where that is no release."""
    try:
        major, minor = Version(torch).release[:2]
    except (InvalidVersion, ValueError):
        return ""
    return f"{major}.{min(minor, LAST_TORCHAUDIO)}" if major == 2 else ""


def check_mlx(probe: Probe) -> Iterator[Trouble]:
    """MLX comes in two packages, and on Linux the second, with libmlx.so, is asked for by an extra."""
    there = probe.version("mlx")
    problem = probe.python("import mlx.core").problem if there else ""
    if problem:
        extra = "mlx" if probe.system == "darwin" else "mlx[cpu]"
        yield Trouble("mlx", f"MLX {there} cannot be imported: {problem}", f'pip install --force-reinstall "{extra}"')


def check_backends(names: Sequence[str], plugins: Registry) -> Iterator[Trouble]:
    """Whether the backends that the settings file names have what they need."""
    for name in names:
        try:
            plugins.make("backends", name).check()
        except UserError as e:
            yield Trouble("backends", f"The backend '{name}' of the settings file: {e.problem}", e.hint)
        except Exception as e:  # isolation wall: whatever a package does at import is told
            what = f"The backend '{name}' of the settings file failed: {type(e).__name__}: {e}"
            yield Trouble("backends", what, "acestep-core plugins doctor --kind backends")


def named_backends(config: Mapping[str, Any]) -> list[str]:
    """Those that the settings file names for a command or the language model, but for the default one."""
    tables = [t for t in config.values() if isinstance(t, Mapping)]
    names = [t[key] for t in tables for key in ("backend", "lm_backend") if isinstance(t.get(key), str)]
    table = config.get("backend", {})
    names += [table["lm"]] if isinstance(table, Mapping) and isinstance(table.get("lm"), str) else []
    return [n for n in dict.fromkeys(names) if n != PT]
