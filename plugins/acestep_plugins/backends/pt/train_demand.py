"""What memory a training takes, found by rehearsing it: the same adapter, layers, checkpointing, loss, optimizer and
average as in earnest, on tensors without values. Whatever is changed there changes what is said here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from acestep_core import UserError
from acestep_core.checkpoint import read_model
from acestep_core.jobs import EncodedSong, SongSize, TrainDemand, TrainWork
from acestep_core.parts import CHANNELS
from acestep_core.processes import ALONE
from acestep_plugins.backends.pt import optimizers, rule
from acestep_plugins.backends.pt.allocations import Allocations
from acestep_plugins.backends.pt.batches import Batches, Item, predictions
from acestep_plugins.backends.pt.checkpointing import checkpointing
from acestep_plugins.backends.pt.demand import Precision, of_dit
from acestep_plugins.backends.pt.device import Place
from acestep_plugins.backends.pt.dit import Dit, PtDecoder, float32_time
from acestep_plugins.backends.pt.dit_modules import build_decoder
from acestep_plugins.backends.pt.ema import Average, looked_at
from acestep_plugins.backends.pt.on_device import kernels_of, within
from acestep_plugins.backends.pt.transformer import rotary

_EPOCHS = 8  # looked through for the largest batch: later ones are mixed from the same songs
_META = torch.device("meta")


class Outline(Dit):
    """The transformer without weights, in the precision of `place` and with the attention that is used there."""

    def __init__(self, folder: Path, place: Place, kernel: str):
        self.info = read_model(folder)
        self._place, self._compiled, self.converted = Place(_META, place.dtype), None, None
        with _META:
            decoder = build_decoder(self.info.config)
            self.null_embedding = torch.empty(1, 1, self.info.condition_size, dtype=place.dtype)
            self.silence = torch.empty(1, CHANNELS, dtype=place.dtype)
        decoder.use_own_layers(within(place, kernel))
        torch.nn.Module.to(decoder, place.dtype).requires_grad_(False)
        float32_time(decoder)
        self.decoder = PtDecoder(decoder)


def of_training(folder: Path, work: TrainWork, place: Place, kernel: str, quantised: bool) -> TrainDemand:
    """Of the decoder in `folder` on a device of the machine or of another, whatever this one has."""
    if quantised and not work.adapter.eight_bits:
        raise UserError(f"The adapter '{work.adapter.name}' cannot be trained beside 8-bit weights",
                        "use -o backend.quantization=none")  # fmt: skip
    precision = Precision(place.dtype.itemsize, quantised)
    weights = of_dit(folder, precision, 1, 1).weights
    dit = Outline(folder, place, kernel)
    rotary.cache_clear()  # what it keeps is part of what is counted
    try:
        with kernels_of(place), torch.random.fork_rng(devices=[]), Allocations() as counted:
            trainable = _Rehearsal(dit, work, place, counted).run()
    finally:
        rotary.cache_clear()
    moment, kinds = counted.peak()
    return TrainDemand(
        weights=weights,
        adapter=kinds["adapter"],
        average=kinds["average"],
        optimizer=kinds["optimizer"],
        gradients=kinds["gradients"],
        activations=kinds[""],
        moment=moment,
        trainable=trainable,
    )


class _Rehearsal:
    """One step of everything, with the largest batch, and one look at the largest song that is measured."""

    def __init__(self, dit: Outline, work: TrainWork, place: Place, counted: Allocations):
        self.dit, self.settings, self.counted = dit, work.settings, counted
        self.work, self.module, self.on_cpu = work, dit.decoder.module, place.device.type == "cpu"
        with _META:
            self.attached = work.adapter.attach(dit.decoder)
        self.parameters: Mapping[str, Any] = self.attached.parameters
        self.trained = list(self.parameters.values())
        counted.call(self.trained, "adapter")
        self.optimizer = optimizers.build(self.trained, self.settings)
        if place.device.type in ("cuda", "xpu"):
            _as_lists(self.optimizer)

    def run(self) -> int:
        with self.counted.during("update"):
            average = self._update()
        self.module.train()
        with self.counted.during("training"), checkpointing(self.module, self.settings.gradient_checkpointing):
            self._learn(largest_batch(self.work))
        self.module.eval()
        with self.counted.during("validation"), looked_at(self.parameters, self.optimizer, average):
            self._measure(max((*self.work.measured, *self.work.shown), key=_size))
        if self.on_cpu:
            with self.counted.during("checkpoint"):
                self._save(average)
        return sum(p.numel() for p in self.trained)

    def _update(self) -> Average | None:
        """A step with gradients, after which the optimizer has all that it ever keeps."""
        for parameter in self.trained:
            parameter.grad = torch.empty_like(parameter)
        self.counted.call((p.grad for p in self.trained), "gradients")
        average = Average(self.parameters, self.settings.ema) if self.settings.ema else None
        self.counted.call(average.tensors.values() if average else (), "average")
        torch.nn.utils.clip_grad_norm_(self.trained, self.settings.clip_norm or 1.0)
        for _ in range(2):  # some keep from the second step on what they have not needed before
            self.optimizer.step()
            self.counted.call(_kept(self.optimizer), "optimizer")
        if average:
            average.update(1)
        return average

    def _learn(self, batch: Sequence[SongSize]) -> None:
        """Gradients of an earlier batch are there if a step has several."""
        if self.settings.accumulation == 1:
            self.optimizer.zero_grad(set_to_none=True)
        items = [self._item(song) for song in batch]
        losses = [
            rule.mse(prediction, item.target, item.t, item.song)
            for item, prediction in zip(items, predictions(self.dit, items), strict=True)
        ]
        torch.autograd.backward([sum(losses) / len(losses)])
        self.counted.call((p.grad for p in self.trained if p.grad is not None), "gradients")

    @torch.no_grad()
    def _measure(self, song: SongSize) -> None:
        item = self._item(song)
        (prediction,) = predictions(self.dit, [item])
        rule.mse(prediction, item.target, item.t, item.song)

    def _save(self, average: Average | None) -> None:
        """`state.save` copies all at once, which takes memory of the machine and so of a device that is the CPU."""
        tensors = [*self.trained, *(average.tensors.values() if average else ()), *_kept(self.optimizer)]
        del [t.detach().clone() for t in tensors][:]

    def _item(self, song: SongSize) -> Item:
        data, noise = (torch.empty(song.frames, CHANNELS, device=_META) for _ in range(2))
        condition = torch.empty(song.tokens, self.dit.info.condition_size, device=_META)
        return Item(EncodedSong("", "", data, condition), 0.5, data, noise, condition)


def largest_batch(work: TrainWork) -> list[SongSize]:
    """The batch of the first epochs that takes most, as the training itself puts them together."""
    frames = [song.frames for song in work.shown]
    job = SimpleNamespace(settings=work.settings, order=range(len(frames)), frames=lambda s: frames[s.song],
                          processes=ALONE)  # fmt: skip
    batches = Batches(job)
    last = min(batches.steps_per_epoch * _EPOCHS, work.settings.steps)
    found = [batch for step in range(1, last + 1) for batch in batches.of_step(step)]
    return max(([work.shown[s.song] for s in batch] for batch in found), key=_padded)


def _padded(batch: Sequence[SongSize]) -> tuple[int, int]:
    """(frames, tokens) that a batch has with its padding."""
    return len(batch) * max(s.frames for s in batch), len(batch) * max(s.tokens for s in batch)


def _size(song: SongSize) -> tuple[int, int]:
    return song.frames, song.tokens


def _kept(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    state = [v for s in optimizer.state.values() for v in s.values()]
    return [v for v in state if isinstance(v, torch.Tensor) and id(v) not in own]


def _as_lists(optimizer: torch.optim.Optimizer) -> None:
    """GPUs step all parameters at once where PyTorch is left the choice, which takes more room for a moment."""
    for group in optimizer.param_groups:
        if group.get("foreach", False) is None:
            group["foreach"] = True
