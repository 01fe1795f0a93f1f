"""Plugins made in a test, for a registry that does not see those of the machine."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from acestep_core import TimestepSampler, hookimpl, option
from acestep_core.registry import Known, Registry


class Cosine(TimestepSampler):
    """Cosine-shaped t."""

    name = "cosine"

    power: float = option(1.0, "exponent", gt=0)
    shift: int = option(0, "moves it", ge=0)

    def sample(self, u: Any) -> Any:
        return u**self.power


def module_of(name: str = "stranger", **hooks: Callable[..., Any]) -> ModuleType:
    """A module with hook implementations: module_of(acestep_samplers=lambda: [Cosine])."""
    module = ModuleType(name)
    for hook, function in hooks.items():
        setattr(module, hook, hookimpl(function))
    return module


def plugin(
    kind: str = "samplers",
    name: str = "cosine",
    dist: str = "stranger",
    *,
    requires: tuple[str, ...] = (),
    load: Callable[[], Any] | None = None,
    **hooks: Callable[..., Any],
) -> Known:
    """A plugin known by its metadata; `load` or the hooks say what its import gives."""
    module = module_of(dist, **(hooks or {"acestep_samplers": lambda: [Cosine]}))
    return Known(kind, name, dist, "0.3", requires, f"{dist.replace('-', '_')}.plugin", load or (lambda: module))


def closed(*known: Known) -> Registry:
    return Registry(list(known))
