"""What took part in a result: versions of packages, and where each plugin came from. Written beside the result."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import importlib_metadata

import acestep_core
from acestep_core.api import Backend
from acestep_core.discovery import Known
from acestep_core.hooks import STEPS
from acestep_core.options import options_of
from acestep_core.registry import Registry

if TYPE_CHECKING:
    from acestep_core.request import GenerateRequest

_PACKAGES = ("torch", "diffusers", "transformers", "peft", "lycoris-lora", "numpy", "soxr", "soundfile")


def versions() -> dict[str, str]:
    found = {"acestep-core": acestep_core.__version__}
    for name in _PACKAGES:
        try:
            found[name] = importlib_metadata.version(name)
        except importlib_metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def origins(used: Iterable[Known], plugins: Registry) -> dict[str, str]:
    """Name -> origin of the plugins used, and hook -> file of whatever replaces a step of training."""
    return {k.name: origin(k) for k in used} | _replaced_steps(plugins)


def backend_record(backend: Backend) -> dict[str, Any]:
    """The backend and its options as they are used on this machine, but for secrets."""
    secret = {o.name for o in options_of(type(backend)).values() if o.secret}
    return {"name": backend.name} | {k: v for k, v in backend.settings().items() if k not in secret}


def used_plugins(requests: "Sequence[GenerateRequest]", plugins: Registry) -> dict[str, str]:
    """Name -> origin of what the solvers and timesteps of clips come from."""
    used = [plugins.find("solvers", r.solver) for r in requests]
    used += [plugins.find("samplers", r.schedule) for r in requests if r.schedule]
    return origins(used, plugins)


def extensions(plugins: Registry) -> dict[str, str]:
    """Name -> origin of the extensions that take part at present."""
    active = [k for k in plugins.known("extensions") if plugins.manager.has_plugin(f"extension {k.qualified}")]
    return {k.name: origin(k) for k in active}


def origin(known: Known) -> str:
    """Distribution and version, and of a local file, which has no version, the sha256."""
    said = f"{known.dist} {known.version}"
    return f"{said} sha256:{_sha256(Path(known.source))}" if known.version == "local" else said


def _replaced_steps(plugins: Registry) -> dict[str, str]:
    """Hook -> file of the module that replaces that step; the file of a hook need not hold any named plugin."""
    replaced = {}
    for hook in STEPS:
        for implementation in getattr(plugins.manager.hook, hook).get_hookimpls():
            file = getattr(implementation.plugin, "__file__", None)
            if file:
                replaced[hook] = f"{Path(file).name} sha256:{_sha256(Path(file))}"
    return replaced


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
