"""All checks of the machine, and what it is good for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.config import plugin_options
from acestep_core.errors import UserError
from acestep_core.machine import disks, drivers, packages
from acestep_core.machine.gpus import find_gpus
from acestep_core.machine.probe import Probe
from acestep_core.machine.trouble import Trouble
from acestep_core.registry import Registry
from acestep_core.tiers import Tier, tier


@dataclass(frozen=True)
class Use:
    """What a device is good for, or in `problem` why it is good for nothing."""

    device: str
    tier: Tier | None = None
    problem: str = ""


def troubles(probe: Probe, config: Mapping[str, Any], models: Path, plugins: Registry) -> Iterator[Trouble]:
    """Everything that is wrong, what stops most first."""
    gpus = find_gpus(probe)
    yield from packages.check_torch(probe)
    yield from packages.check_torchaudio(probe)
    for check in (drivers.check_nvidia, drivers.check_amd, drivers.check_intel, drivers.check_apple):
        yield from check(probe, gpus)
    yield from drivers.check_device(probe, plugin_options(config, "backends", packages.PT))
    yield from packages.check_mlx(probe)
    yield from packages.check_backends(packages.named_backends(config), plugins)
    yield from disks.check_disks(probe, models)


def use_of(budget: int, plugins: Registry, device: str, options: Mapping[str, Any] | None = None) -> Use:
    """Of so many bytes."""
    try:
        return Use(device, tier(budget, plugins, packages.PT, options))
    except UserError as e:
        return Use(device, None, f"{e.problem}; {e.hint}")
    except Exception as e:  # isolation wall: what is broken is told with the rest
        return Use(device, None, _broken(e))


def _broken(error: Exception) -> str:
    return f"it cannot be told before the rest is mended ({type(error).__name__}: {error})"


def uses(probe: Probe, config: Mapping[str, Any], plugins: Registry) -> Iterator[Use]:
    """Of the device that a run would take now, and where that is no GPU, of GPUs that could be used."""
    torch, options = probe.torch, dict(plugin_options(config, "backends", packages.PT))
    if not torch.problem:
        yield _here(options, plugins, torch.memory)
    for gpu in find_gpus(probe):
        if gpu.memory and not drivers.usable(torch):
            yield use_of(gpu.memory, plugins, f"{gpu.name}, once it can be used")


def _here(options: Mapping[str, Any], plugins: Registry, apple: int | None) -> Use:
    try:
        backend = plugins.make("backends", packages.PT, options)
        used, free = backend.settings(), backend.room()
    except UserError as e:
        return Use(packages.PT, None, f"{e.problem}; {e.hint}")
    except Exception as e:  # isolation wall: what is broken is told with the rest
        return Use(packages.PT, None, _broken(e))
    free = apple if free is None else free
    if free is None:
        return Use(used["device"], None, "it does not say how much memory is free; give --vram")
    return use_of(free, plugins, used["device"], {**options, "device": used["device"], "dtype": used["dtype"]})
