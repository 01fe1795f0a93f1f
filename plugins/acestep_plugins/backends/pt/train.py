"""The training loop. All randomness is a function of (seed, step), so a resumed run repeats and misses nothing."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from acestep_core import UserError
from acestep_core.parts import EncodedSong, Step, TrainJob
from acestep_core.seeds import derived_seed
from acestep_core.training import learning_rate
from acestep_plugins.backends.pt import rule, state

# float16 gradients of a mean over thousands of frames underflow; bfloat16 and float32 need no scaling.
_LOSS_SCALE = {"float16": 1024.0}
GRID_T = (0.2, 0.4, 0.6, 0.8)
GRID_SONGS = 8


def train(job: TrainJob) -> Iterator[Any]:
    """Yields `Step`s, checkpoint folders (`Path`) and records for metrics.jsonl (dict)."""
    return _Loop(job).events()


def grid_loss(dit: Any, songs: list[EncodedSong], seed: int = 0) -> float:
    """Mean loss over songs and t in `GRID_T` with fixed noise: comparable between moments and runs."""
    losses = []
    for song in songs:
        data, condition, context = _inputs(dit, song)
        noise = dit.noise(derived_seed(seed, f"grid {song.id}"), len(data))
        for t in GRID_T:
            prediction = dit.velocity(rule.noisy(data, noise, t), t, condition, context)
            losses.append(rule.mse(prediction, rule.target(data, noise), t, song).item())
    return sum(losses) / len(losses)


class _Loop:
    def __init__(self, job: TrainJob):
        self.job, self.settings, self.dit = job, job.settings, job.dit
        self.decoder = job.dit.decoder.module
        torch.manual_seed(derived_seed(self.settings.seed, "adapter"))
        self.decoder.requires_grad_(False)
        self.attached = job.adapter.attach(job.dit.decoder)
        self.parameters = dict(self.attached.parameters)
        self.optimizer = job.optimizer(_adamw, parameters=list(self.parameters.values()), settings=self.settings)
        self.scale = _LOSS_SCALE.get(job.dit.dtype_name, 1.0)
        self.step = 0

    def events(self) -> Iterator[Any]:
        try:
            yield from self._events()
        finally:
            self.decoder.eval()
            if self.settings.gradient_checkpointing:
                self.decoder.disable_gradient_checkpointing()
            self.attached.detach()

    def _events(self) -> Iterator[Any]:
        yield {"event": "start", "step": 0, "trainable": self._count(), "notes": list(self.attached.notes)}
        if self.job.resume_from:
            self.step = state.load(self.job.resume_from, self.parameters, self.optimizer)
        else:
            yield self._grid()
        self.decoder.train()
        if self.settings.gradient_checkpointing:
            self.decoder.enable_gradient_checkpointing()
        while self.step < self.job.steps:
            yield self._one_step()
            every = self.settings.save_every
            stopping = self.job.stop() and self.step < self.job.steps
            if stopping or (every and self.step % every == 0) or self.step == self.job.steps:
                yield self._checkpoint()
            if stopping:
                return
        yield self._grid()
        self.job.run.finish(lambda folder: self.attached.save(folder, self._info()))

    def _one_step(self) -> Step:
        step = self.step + 1
        generator = torch.Generator().manual_seed(derived_seed(self.settings.seed, f"step {step}"))
        count = self.settings.batch_size * self.settings.accumulation
        times = self.job.sampler.sample(rule.stratified(count, generator)).tolist()
        chosen = [_song_at((step - 1) * count + i, self.job.order, self.settings.seed) for i in range(count)]
        self.optimizer.zero_grad(set_to_none=True)
        losses = [self._backward(index, t, count, generator) for index, t in zip(chosen, times, strict=True)]
        norm = self._gradient_norm(losses, chosen, step)
        rate = learning_rate(self.settings, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.step = step
        self.job.sampler.observe(times, losses)
        epoch = (step - 1) * count // len(self.job.order) + 1
        return Step(step, sum(losses) / count, rate, norm, tuple(times), tuple(losses), epoch)

    def _backward(self, index: int, t: float, count: int, generator: torch.Generator) -> float:
        """The song's loss; its gradient is added up."""
        song = self.job.load(index)
        data, condition, context = _inputs(self.dit, song)
        noise = torch.randn(data.shape, generator=generator).to(data.device)
        if torch.rand((), generator=generator) < self.settings.null_condition:
            condition = self.dit.null_condition(len(condition))
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))  # for dropout inside the adapter
        prediction = self.dit.predict(rule.noisy(data, noise, t), t, condition, context)
        loss = self.job.loss(rule.mse, prediction=prediction, target=rule.target(data, noise), t=t, batch=song)
        (loss * (self.scale / count)).backward()
        return loss.item()

    def _gradient_norm(self, losses: list[float], chosen: list[int], step: int) -> float:
        """Norm before clipping. Nothing is updated when anything is NaN: the last good state is saved and named."""
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        for gradient in gradients:
            gradient /= self.scale
        limit = self.settings.clip_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), limit).item()
        if all(map(math.isfinite, losses)) and math.isfinite(norm):
            return norm
        names = ", ".join(self.job.songs[i] for i in dict.fromkeys(chosen))
        saved = self._checkpoint() if self.step else None
        kept = f"; step {self.step} is saved in {saved}" if saved else ""
        raise UserError(
            f"The loss became NaN or infinite at step {step} on {names}{kept}",
            "try a lower --learning-rate, -o backend.dtype=float32, or leave these songs out",
        )

    def _checkpoint(self) -> Path:
        def write(folder: Path) -> None:
            self.attached.save(folder, self._info())
            state.save(folder, self.step, self.parameters, self.optimizer)

        return self.job.run.checkpoint(self.step, write, self.settings.keep)

    def _grid(self) -> dict[str, Any]:
        self.decoder.eval()
        songs = [self.job.load(i) for i in range(min(GRID_SONGS, len(self.job.songs)))]
        return {"event": "grid", "step": self.step, "loss": grid_loss(self.dit, songs, self.settings.seed)}

    def _info(self) -> Mapping[str, str]:
        """For the header of the adapter file."""
        return {
            "base_variant": self.dit.info.variant,
            "base_hidden_size": str(self.dit.info.hidden_size),
            "base_layers": str(self.dit.info.layers),
            "trained_steps": str(self.step),
            "timestep_sampler": self.job.sampler.name,
        }

    def _count(self) -> int:
        return sum(p.numel() for p in self.parameters.values())


def _inputs(dit: Any, song: EncodedSong) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    context = dit.text2music_context(len(song.latents))
    data = torch.from_numpy(song.latents).to(context.device)
    return data, torch.from_numpy(song.condition).to(context.device), context


def _song_at(position: int, order: Sequence[int], seed: int) -> int:
    """Index of the song at a position of the endless stream of shuffled epochs."""
    epoch, place = divmod(position, len(order))
    generator = torch.Generator().manual_seed(derived_seed(seed, f"epoch {epoch}"))
    return order[int(torch.randperm(len(order), generator=generator)[place])]


def _adamw(parameters: list[torch.Tensor], settings: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
