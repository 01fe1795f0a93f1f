"""The optimizers of `acestep_core.optimizers` for float32 parameters; each package is imported when it is asked for."""

import contextlib
import io
from typing import Any

import torch

from acestep_core.train_settings import TrainSettings

# D-Adaptation's estimate runs away without a bound on its growth. With this one, which its authors name, it takes some
# 350 steps to reach a rate of 1e-3.
_GROWTH = 1.02


def build(parameters: list[torch.Tensor], settings: TrainSettings) -> torch.optim.Optimizer:
    """The optimizer that the settings name, ready to step."""
    given = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    given |= {"d0": settings.d0} if settings.d0 is not None else {}
    with contextlib.redirect_stdout(io.StringIO()):  # some greet there, where --json writes
        optimizer = _BUILDERS[settings.optimizer](parameters, given)
    if averages(optimizer):
        optimizer.train()
    return optimizer


def averages(optimizer: Any) -> bool:
    """Whether the weights to use are others than those it steps, as with schedulefree."""
    return callable(getattr(optimizer, "eval", None)) and callable(getattr(optimizer, "train", None))


def found_rate(optimizer: torch.optim.Optimizer) -> float | None:
    """What it multiplies the rate with, of those that find it themselves."""
    found = optimizer.param_groups[0].get("d")
    return None if found is None else float(found)


def _adamw(parameters: list[torch.Tensor], given: dict[str, Any]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, **given)


def _adamw8bit(parameters: list[torch.Tensor], given: dict[str, Any]) -> torch.optim.Optimizer:
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit(parameters, **given)


def _adafactor(parameters: list[torch.Tensor], given: dict[str, Any]) -> torch.optim.Optimizer:
    """At our rate: a rate scaled by the size of the weights would hold a LoRA at its start, which is zero."""
    from transformers.optimization import Adafactor

    return Adafactor(parameters, scale_parameter=False, relative_step=False, warmup_init=False, **given)


def _prodigy(parameters: list[torch.Tensor], given: dict[str, Any]) -> torch.optim.Optimizer:
    from prodigyopt import Prodigy

    return Prodigy(parameters, use_bias_correction=True, safeguard_warmup=True, **given)


def _schedulefree(parameters: list[torch.Tensor], given: dict[str, Any]) -> torch.optim.Optimizer:
    from schedulefree import AdamWScheduleFree

    return AdamWScheduleFree(parameters, **given)


def _dadaptation(parameters: list[torch.Tensor], given: dict[str, Any]) -> torch.optim.Optimizer:
    from dadaptation import DAdaptAdam

    return DAdaptAdam(parameters, decouple=True, growth_rate=_GROWTH, **given)


_BUILDERS = {
    "adamw": _adamw,
    "adamw8bit": _adamw8bit,
    "adafactor": _adafactor,
    "prodigy": _prodigy,
    "schedulefree": _schedulefree,
    "dadaptation": _dadaptation,
}
