"""Finds out what an adapter file or folder holds, and puts it on a model."""

from pathlib import Path
from typing import Any

from acestep_core.api import Adapter, Attached
from acestep_core.errors import PluginError, UserError
from acestep_core.registry import Registry


def recognise(path: Path, plugins: Registry) -> Adapter:
    """The adapter plugin, with fitting options, for the weights in `path`. Raises `UserError` if none knows them."""
    if not path.exists():
        raise UserError(f"There is no adapter {path}", "give the adapter/ folder of a run, or a .safetensors file")
    broken = []
    for known in plugins.known("adapters"):
        try:
            cls = plugins.load("adapters", known.qualified)
        except PluginError as e:
            broken.append(e.problem)
            continue
        if cls.recognises(path):
            return cls.from_files(path)
    failed = f" ({'; '.join(broken)})" if broken else ""
    raise UserError(f"{path} holds no adapter that an installed plugin knows{failed}", "see: acestep-core plugins list")


def attach(dit: Any, path: Path, scale: float, plugins: Registry) -> Attached:
    """The adapter in `path` on the model's decoder, at a strength; every tensor must match."""
    attached = recognise(path, plugins).attach(dit.decoder)
    try:
        attached.load(path)
        attached.set_scale(scale)
    except BaseException:
        attached.detach()
        raise
    return attached


def take_off(attached: list[Attached]) -> None:
    """Detach in the reverse order of attaching, so that each finds the layers it left."""
    for one in reversed(attached):
        one.detach()
