"""The learning rate as a function of the step alone, so that a run that is gone on with needs no state of it."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acestep_core.train_settings import TrainSettings

_START = 0.1  # of the peak, from which the warm-up rises


def warmup_steps(warmup: float, total: int) -> int:
    """Steps of a warm-up given as a share of the run (below 1) or in steps."""
    return round(warmup) if warmup >= 1 else max(1, round(total * warmup)) if warmup else 0


def learning_rate(settings: "TrainSettings", step: int) -> float:
    """The rate of step `step` (from 1) of resolved settings: linear warm-up, then `settings.schedule`."""
    peak, total = settings.learning_rate, settings.steps
    warm = warmup_steps(settings.warmup, total)
    if step <= warm:
        return peak * (_START + (1 - _START) * step / warm)
    progress = (step - warm) / max(1, total - warm)
    return peak * (settings.final_rate + (1 - settings.final_rate) * _height(settings, progress))


def _height(settings: "TrainSettings", progress: float) -> float:
    """From 1 to 0 as `progress` after the warm-up goes from 0 to 1; restarts begin again at 1."""
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "linear":
        return 1 - progress
    if settings.schedule == "restarts" and progress < 1:
        progress = progress * settings.cycles % 1
    return 0.5 * (1 + math.cos(math.pi * progress))
