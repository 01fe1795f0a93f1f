"""Losses on fixed noise and timesteps: equal for equal weights, so comparable between moments, runs and machines."""

from collections.abc import Iterable
from typing import Any

import torch

from acestep_core.parts import EncodedSong
from acestep_plugins.backends.pt import batches, rule

GRID_T = (0.2, 0.4, 0.6, 0.8)
_SEED = 0  # of the noise for validation, whatever seed the run has


def grid_loss(dit: Any, songs: Iterable[EncodedSong], seed: int = 0) -> float:
    """Mean loss over songs and t in `GRID_T` with fixed noise."""
    by_t = _by_t(dit, songs, seed)
    return sum(by_t) / len(by_t)


def validation(dit: Any, songs: Iterable[EncodedSong]) -> dict[str, Any]:
    """Mean loss of songs that are not trained on, and at each of `GRID_T`; without the weight of any training loss."""
    by_t = _by_t(dit, songs, _SEED)
    return {"loss": sum(by_t) / len(by_t), "t": list(GRID_T), "by_t": by_t}


@torch.no_grad()
def _by_t(dit: Any, songs: Iterable[EncodedSong], seed: int) -> list[float]:
    """One song at a time, however many there are."""
    sums, count = [0.0] * len(GRID_T), 0
    for song in songs:
        count += 1
        for place, t in enumerate(GRID_T):
            item = batches.fixed(dit, song, t, seed)
            (prediction,) = batches.predictions(dit, [item])
            sums[place] += rule.mse(prediction, item.target, t, song).item()
    return [s / count for s in sums]
