"""Teaches the text encoder to read before anything is made of what it reads: tempo, key, metre, style and drums.

The decoder hears texts through attention alone, and finds a number among sixty tokens only after very long. So the last
token of a text learns first to say all of it, by heads that are thrown away.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from acestep_core.prompts import TIMESIGNATURES
from acestep_core.seeds import derived_seed
from acestep_nano.harmony import third_of, tonic_of
from acestep_nano.learning.descent import descend
from acestep_nano.learning.library import Learnt
from acestep_nano.learning.metronome import TEMPOS
from acestep_nano.learning.metronome import said as tempo_said
from acestep_nano.learning.showing import said_of
from acestep_nano.pieces import STYLES

_BATCH = 64
_RATE = 3e-3
_THIRDS = ("major", "minor")
_KEYS = 12 * len(_THIRDS)


def learn_words(
    text: Any,
    pieces: Sequence[Learnt],
    steps: int,
    seed: int,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> dict[str, torch.Tensor]:
    """Train the text part on what is said of `pieces`; the tensors of its model."""
    torch.manual_seed(derived_seed(seed, "words"))
    model, device = text.model, text.model.device
    sizes = {"key": _KEYS, "metre": len(TIMESIGNATURES), "style": len(STYLES), "drums": 2, "tempo": len(TEMPOS)}
    heads = nn.ModuleDict({name: nn.Linear(model.config.hidden_size, size) for name, size in sizes.items()}).to(device)
    learnt = [*model.requires_grad_(True).parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(learnt, lr=_RATE)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps + 1, pct_start=0.1)
    rng = np.random.default_rng(derived_seed(seed, "texts"))
    for step in range(1, steps + 1):
        chosen = [pieces[i] for i in rng.integers(0, len(pieces), _BATCH)]
        rows = [torch.tensor(text.tokenizer(said_of(p, rng).caption)["input_ids"]) for p in chosen]
        last = torch.tensor([len(r) - 1 for r in rows], device=device)
        states = model(input_ids=pad_sequence(rows, batch_first=True).to(device)).last_hidden_state
        loss = _loss(heads, states[torch.arange(len(rows), device=device), last], chosen)
        descend(loss, optimizer, rates)
        on_step(step, loss.item())
    model.requires_grad_(False)
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _loss(heads: nn.ModuleDict, said: torch.Tensor, pieces: Sequence[Learnt]) -> torch.Tensor:
    """`said` [B, width] is what the last token of each text says."""
    classes = {
        "key": [_key(p.keyscale) for p in pieces],
        "metre": [TIMESIGNATURES.index(p.timesignature) for p in pieces],
        "style": [STYLES.index(p.style) for p in pieces],
        "drums": [int("drums" in p.tracks) for p in pieces],
    }
    losses = [F.cross_entropy(heads[n](said), torch.tensor(right, device=said.device)) for n, right in classes.items()]
    tempo = torch.tensor(np.stack([tempo_said(p.bpm) for p in pieces]), device=said.device)
    return sum(losses) + F.mse_loss(heads["tempo"](said), tempo) * len(TEMPOS)


def _key(keyscale: str) -> int:
    """Its number among all keys, however it is spelt."""
    return tonic_of(keyscale) * len(_THIRDS) + _THIRDS.index(third_of(keyscale))
