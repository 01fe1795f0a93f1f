"""Losses on fixed noise and timesteps: equal for equal weights, so comparable between moments, runs and machines."""

from collections.abc import Callable
from typing import Any

import torch

from acestep_core.jobs import EncodedSong
from acestep_core.processes import ALONE, Processes
from acestep_plugins.backends.pt import batches, rule

GRID_T = (0.2, 0.4, 0.6, 0.8)
Load = Callable[[int], EncodedSong]
_SEED = 0  # of the noise for validation, whatever seed the run has


def grid_loss(dit: Any, songs: int, load: Load, seed: int = 0, processes: Processes = ALONE) -> float:
    """Mean loss over songs and t in `GRID_T` with fixed noise; the processes share the songs."""
    by_t = _by_t(dit, songs, load, seed, processes)
    return sum(by_t) / len(by_t)


def validation(dit: Any, songs: int, load: Load, processes: Processes = ALONE) -> dict[str, Any]:
    """Mean loss of songs that are not trained on, and at each of `GRID_T`; without the weight of any training loss."""
    by_t = _by_t(dit, songs, load, _SEED, processes)
    return {"loss": sum(by_t) / len(by_t), "t": list(GRID_T), "by_t": by_t}


def _by_t(dit: Any, songs: int, load: Load, seed: int, processes: Processes) -> list[float]:
    """The same numbers however many processes share the songs."""
    rows = processes.spread(songs, lambda index: _losses(dit, load(index), seed))
    return [sum(column) / songs for column in zip(*rows, strict=True)]


@torch.no_grad()
def _losses(dit: Any, song: EncodedSong, seed: int) -> list[float]:
    """Of one song, at each of `GRID_T`."""
    items = (batches.fixed(dit, song, t, seed) for t in GRID_T)
    return [rule.mse(batches.predictions(dit, [i])[0], i.target, i.t, song).item() for i in items]
