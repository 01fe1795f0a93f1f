"""Teaches the decoder to keep time before it learns music: a pulse in every channel, in the tempo that the text says.

In pieces the beats are a few percent of the loss, and how to place them is learnt last or never; of a pulse they are
all there is. It is made out of nothing but noise (t = 1), where only the text and the metronome tell where it is.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from acestep_core.jobs import EncodedSong
from acestep_core.layer_names import to_original
from acestep_core.parts import CHANNELS, FRAME_RATE_HZ
from acestep_core.seeds import derived_seed
from acestep_nano.learning.conditions import Conditions
from acestep_nano.learning.library import Learnt
from acestep_nano.learning.showing import said_of
from acestep_nano.pieces import BEATS

FRAMES = 192
_RATE = 1e-3
_WARM = 30  # steps
_DECAY, _ACCENT, _LOUD = 4.0, 0.5, 2.0  # of a pulse: how fast it dies away in a beat, more of it on the first of a bar


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
        pulses = [torch.from_numpy(pulse(piece)).to(dit.device_name) for piece in chosen]
        items = [Item(EncodedSong("", "", p, c), 1.0, p, torch.randn_like(p), c)
                 for p, c in zip(pulses, made, strict=True)]  # fmt: skip
        out = predictions(dit, items)
        loss = sum((o - i.target).square().mean() for o, i in zip(out, items, strict=True)) / len(items)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        rates.step()
        on_step(step, loss.item() / float(np.mean([p.square().mean().item() for p in pulses])))
    for parameter in learnt:
        parameter.requires_grad_(False)
    return {f"{part}.{to_original(k)}": v.detach() for part, m in parts.items() for k, v in m.state_dict().items()}


def pulse(piece: Learnt) -> np.ndarray:
    """float32 [T, 64], the same in every channel, around 0."""
    beat = np.arange(FRAMES) / FRAME_RATE_HZ * piece.bpm / 60
    loud = np.exp(-_DECAY * (beat % 1)) * (1 + _ACCENT * (beat % BEATS[piece.timesignature] < 1))
    return np.repeat((_LOUD * (loud - loud.mean()))[:, None], CHANNELS, axis=1).astype(np.float32)
