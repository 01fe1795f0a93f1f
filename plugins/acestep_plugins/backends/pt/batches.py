"""Which songs meet in a batch and in a step, and one forward pass over a padded batch of them.

Every epoch is shuffled, cut into spans of several batches, and within a span songs of like length form a batch; the
batches of a span come in random order. All of it is a function of the seed and the epoch. A step takes `accumulation`
batches for each process and never reaches into the next epoch: the last step of an epoch has what is left and is the
mean of that, so that each song counts the same within its step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from acestep_core.jobs import EncodedSong, Showing, TrainJob
from acestep_core.seeds import derived_seed
from acestep_plugins.backends.pt import rule

# Batches whose songs may be exchanged for like lengths: more pads less and shuffles less.
_SPAN = 16


@dataclass(frozen=True)
class Item:
    """A song as one step sees it. Arrays are tensors on the device: [T, 64] and [L, width]."""

    song: EncodedSong
    t: float
    data: torch.Tensor
    noise: torch.Tensor
    condition: torch.Tensor
    context: torch.Tensor | None = None

    @property
    def x(self) -> torch.Tensor:
        return rule.noisy(self.data, self.noise, self.t)

    @property
    def target(self) -> torch.Tensor:
        return rule.target(self.data, self.noise)


class Batches:
    """The batches of every step."""

    def __init__(self, job: TrainJob):
        settings = job.settings
        self._seed, self._size = settings.seed, settings.batch_size
        self._accumulation = settings.accumulation * job.processes.count
        self._order, self._frames = tuple(job.order), job.frames
        batches = -(-len(self._order) // self._size)
        self.steps_per_epoch = -(-batches // self._accumulation)
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def of_step(self, step: int) -> list[list[Showing]]:
        """The songs of each batch of a step (from 1)."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        return self._epoch(epoch)[place * self._accumulation :][: self._accumulation]

    def epoch_of(self, step: int) -> int:
        """From 1."""
        return (step - 1) // self.steps_per_epoch + 1

    def _shuffled(self, epoch: int) -> list[list[Showing]]:
        generator = torch.Generator().manual_seed(derived_seed(self._seed, f"epoch {epoch}"))
        places = torch.randperm(len(self._order), generator=generator).tolist()
        songs = [Showing(self._order[p], epoch + 1, p) for p in places]
        if self._size == 1:
            return [[song] for song in songs]
        span = self._size * _SPAN
        return [b for start in range(0, len(songs), span) for b in self._mixed(songs[start : start + span], generator)]

    def _mixed(self, songs: list[Showing], generator: torch.Generator) -> list[list[Showing]]:
        songs = sorted(songs, key=self._frames)
        batches = [songs[i : i + self._size] for i in range(0, len(songs), self._size)]
        return [batches[p] for p in torch.randperm(len(batches), generator=generator).tolist()]


def drawn(dit: Any, song: EncodedSong, t: float, null_share: float, generator: torch.Generator) -> Item:
    """The song with noise of its own, and sometimes without its condition. What a song shows of itself, such as a part
    of it, is for whoever loads it to say: its arrays are taken as they are."""
    data = _on(dit, song.latents)
    noise = torch.randn(data.shape, generator=generator).to(data.device)
    null = torch.rand((), generator=generator) < null_share
    condition = dit.null_condition(len(song.condition)) if null else _on(dit, song.condition)
    return Item(song, t, data, noise, condition, _context(dit, song))


def fixed(dit: Any, song: EncodedSong, t: float, seed: int) -> Item:
    """The song with the same noise whenever it is asked for."""
    data = _on(dit, song.latents)
    noise = dit.noise(derived_seed(seed, f"grid {song.id}"), len(data))
    return Item(song, t, data, noise, _on(dit, song.condition), _context(dit, song))


def predictions(dit: Any, items: Sequence[Item]) -> list[torch.Tensor]:
    """The predicted velocity [T, 64] of each item, float32, out of one forward pass. What is padded reaches nothing."""
    context = _contexts(dit, items)
    if len(items) == 1:
        return [dit.predict(items[0].x, items[0].t, items[0].condition, context[0])]
    t = torch.tensor([i.t for i in items], dtype=torch.float32, device=context.device)
    conditions = [i.condition.to(context.dtype) for i in items]
    (velocity,) = dit.decoder.module(
        hidden_states=pad_sequence([i.x.to(context.dtype) for i in items], batch_first=True),
        timestep=t,
        timestep_r=t,
        encoder_hidden_states=pad_sequence(conditions, batch_first=True),
        context_latents=context,
        frames=_lengths([i.data for i in items]),
        condition_mask=_mask(conditions),
    )
    return [v[: len(i.data)].float() for v, i in zip(velocity, items, strict=True)]


def _on(dit: Any, array: Any) -> torch.Tensor:
    return torch.as_tensor(array).to(dit.device_name)


def _context(dit: Any, song: EncodedSong) -> torch.Tensor | None:
    return None if song.context is None else _on(dit, song.context)


def _contexts(dit: Any, items: Sequence[Item]) -> torch.Tensor:
    """[B, T, 128] of the longest item's T."""
    frames = max(len(i.data) for i in items)
    silent = dit.text2music_context(frames)
    if all(i.context is None for i in items):
        return silent.expand(len(items), -1, -1)
    given = (silent if i.context is None else i.context.to(silent.dtype) for i in items)
    return torch.stack([F.pad(c, (0, 0, 0, frames - len(c))) for c in given])


def _lengths(rows: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """None where all are equal: no mask then stands in the way of a fast kernel."""
    lengths = [len(r) for r in rows]
    return torch.tensor(lengths, device=rows[0].device) if len(set(lengths)) > 1 else None


def _mask(rows: Sequence[torch.Tensor]) -> torch.Tensor | None:
    lengths = _lengths(rows)
    if lengths is None:
        return None
    return torch.arange(int(lengths.max()), device=lengths.device) < lengths[:, None]
