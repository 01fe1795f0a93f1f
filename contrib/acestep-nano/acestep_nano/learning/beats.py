"""Teaches the decoder to keep time: a pulse in every channel, in the tempo that the text says.

In pieces the beats are a few percent of the loss, and how to place them is learnt last or never; of a pulse they are
all there is. It is made out of nothing but noise (t = 1), where only the text and the metronome tell where it is.
It is learnt before music and rehearsed with it, for what is not asked for is forgotten within two thousand steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from acestep_core import option
from acestep_core.jobs import EncodedSong
from acestep_core.layer_names import to_original
from acestep_core.parts import CHANNELS, FRAME_RATE_HZ
from acestep_core.seeds import derived_seed
from acestep_nano.learning.conditions import Conditions
from acestep_nano.learning.descent import descend
from acestep_nano.learning.library import Learnt
from acestep_nano.learning.showing import said_of
from acestep_nano.pieces import BEATS
from acestep_plugins.samplers.turbo_steps import TurboSteps

_FRAMES = 192
_RATE = 1e-3
_WARM = 30  # steps
_DECAY, _ACCENT, _LOUD = 4.0, 0.5, 2.0  # of a pulse: how fast it dies away in a beat, more of it on the first of a bar
_NOISY, _EARLY = 0.9, 0.25  # t down to which a pulse is rehearsed, and how much of it there is below 1


def learn_beats(
    dit: Any,
    text: Any,
    pieces: Sequence[Learnt],
    steps: int,
    batch_size: int,
    seed: int,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> dict[str, torch.Tensor]:
    """Train decoder and condition encoder; their tensors under the names of a checkpoint.

    `on_step` is told the error as a share of what guessing nothing would have.
    """
    from acestep_plugins.backends.pt.batches import Item, predictions

    torch.manual_seed(derived_seed(seed, "noise of beats"))
    rng = np.random.default_rng(derived_seed(seed, "beats"))
    parts, conditions = {"decoder": dit.decoder.module, "encoder": dit.encoder}, Conditions(dit, text)
    learnt = [p.requires_grad_(True) for module in parts.values() for p in module.parameters()]
    optimizer = torch.optim.AdamW(learnt, lr=_RATE)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / _WARM))
    for step in range(1, steps + 1):
        chosen = [pieces[i] for i in rng.integers(0, len(pieces), batch_size)]
        made = conditions.of([said_of(piece, rng) for piece in chosen])
        pulses = [torch.from_numpy(pulse(piece, _FRAMES)).to(dit.device_name) for piece in chosen]
        items = [Item(EncodedSong("", "", p, c), 1.0, p, torch.randn_like(p), c)
                 for p, c in zip(pulses, made, strict=True)]  # fmt: skip
        out = predictions(dit, items)
        loss = sum((o - i.target).square().mean() for o, i in zip(out, items, strict=True)) / len(items)
        descend(loss, optimizer, rates)
        on_step(step, loss.item() / float(np.mean([p.square().mean().item() for p in pulses])))
    for parameter in learnt:
        parameter.requires_grad_(False)
    return {f"{part}.{to_original(k)}": v.detach() for part, m in parts.items() for k, v in m.state_dict().items()}


class BeatsFirst(TurboSteps):
    """Times of a schedule, and its first more often than its turn: from there the pulse is rehearsed."""

    name = "beats_first"

    share: float = option(0.0, "share of the draws that are t = 1", ge=0, lt=1)

    def sample(self, u: Any) -> Any:
        rest = ((u - self.share) / (1 - self.share)).clamp(min=0)
        return torch.where(u < self.share, torch.ones_like(u), super().sample(rest))


@dataclass(frozen=True)
class Rehearsal:
    """The training loss, with a pulse in what is made from words: whole at t = 1, where only noise is heard, and some
    of it while little else is, so that the beats of a piece take its place and are not drowned."""

    pieces: Mapping[str, Learnt]

    def loss(self, plain: Any, *, prediction: Any, target: Any, t: float, batch: EncodedSong) -> torch.Tensor:
        if t >= _NOISY and batch.context is None:
            beats = torch.from_numpy(pulse(self.pieces[batch.id], len(batch.latents))).to(target)
            target = target - (1.0 if t == 1 else _EARLY) * beats  # the velocity is noise − data
        return plain(prediction=prediction, target=target, t=t, batch=batch)


def pulse(piece: Learnt, frames: int) -> np.ndarray:
    """float32 [frames, 64], the same in every channel, around 0."""
    beat = np.arange(frames) / FRAME_RATE_HZ * piece.bpm / 60
    loud = np.exp(-_DECAY * (beat % 1)) * (1 + _ACCENT * (beat % BEATS[piece.timesignature] < 1))
    return np.repeat((_LOUD * (loud - loud.mean()))[:, None], CHANNELS, axis=1).astype(np.float32)
