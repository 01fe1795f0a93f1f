"""A few-step model learns from a model with guidance: where that would be one step of its schedule later.

The teacher goes from the same noisy latents to the next time of the schedule in several guided steps; the straight line
there is what the student learns. Progressive distillation in one leap (Salimans and Ho 2022, arXiv 2202.00512), with
guidance folded in (Meng et al. 2023, arXiv 2210.03142).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from acestep_core.jobs import EncodedSong
from acestep_core.parts import Look


@dataclass(frozen=True)
class Teacher:
    """`schedule` are the student's times from 1 down, without the 0 it ends with."""

    dit: Any
    guidance: float
    substeps: int
    schedule: Sequence[float]

    @torch.no_grad()
    def velocity(self, x: torch.Tensor, t: float, condition: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """The mean velocity [T, 64] from `t` to the next time of the schedule."""
        later = max((s for s in self.schedule if s < t - 1e-6), default=0.0)
        heard = self.dit.prepared(condition.detach())
        nothing = self.dit.prepared(self.dit.null_condition(len(condition)))
        at, width = x.float(), (t - later) / self.substeps
        for n in range(self.substeps):
            now = t - n * width
            with_words, without = self.dit.velocities([Look(at, now, c, context) for c in (heard, nothing)])
            at = at - width * (without + self.guidance * (with_words - without))
        return (x - at) / (t - later)

    def loss(self, plain: Any, *, prediction: Any, target: Any, t: float, batch: EncodedSong) -> torch.Tensor:
        """`TrainJob.loss`: the noisy latents follow from the target, noise − data, and the data."""
        data = torch.as_tensor(batch.latents).to(target.device)
        context = self.dit.text2music_context(len(data)) if batch.context is None else batch.context
        wanted = self.velocity(data + t * target, t, batch.condition, context)
        return torch.nn.functional.mse_loss(prediction.float(), wanted)
