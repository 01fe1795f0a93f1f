"""The training loop. All randomness is a function of (seed, step), so a resumed run repeats and misses nothing."""

import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from acestep_core.errors import Diverged
from acestep_core.jobs import Audition, Showing, Step, TrainJob
from acestep_core.rates import learning_rate
from acestep_core.seeds import derived_seed
from acestep_plugins.backends.pt import optimizers, rule, state
from acestep_plugins.backends.pt.batches import Batches, drawn, predictions
from acestep_plugins.backends.pt.checkpointing import checkpointing
from acestep_plugins.backends.pt.ema import Average, looked_at
from acestep_plugins.backends.pt.exchange import Exchange
from acestep_plugins.backends.pt.memory import shortage_in_training
from acestep_plugins.backends.pt.validation import grid_loss, validation

# float16 gradients of a mean over thousands of frames underflow; bfloat16 and float32 need no scaling.
LOSS_SCALE = {"float16": 1024.0}
GRID_SONGS = 8


def train(job: TrainJob) -> Iterator[Any]:
    """Yields `Step`s, checkpoint folders (`Path`), `Audition`s where they are wanted, and records (dict), which are to
    be in metrics.jsonl before going on.

    Where anything breaks, or the caller stops listening, the last whole step is saved.
    """
    loop = _Loop(job)
    try:
        with checkpointing(loop.decoder, job.settings.gradient_checkpointing):
            yield from _saved_at_last(loop)
    finally:
        loop.decoder.eval()
        loop.attached.detach()


def _saved_at_last(loop: "_Loop") -> Iterator[Any]:
    try:
        with _shortage_told(loop):
            yield from loop.events()
    except GeneratorExit:
        loop.save_if_whole()
        raise
    except Exception:
        loop.save_if_whole()
        raise


def _shortage_told(loop: "_Loop") -> AbstractContextManager[None]:
    less = "give --gradient-checkpointing 1, or a smaller --batch-size with more --accumulation"
    return shortage_in_training(lambda: f"step {loop.step + 1} of the training", less)


class _Loop:
    def __init__(self, job: TrainJob):
        self.job, self.settings, self.dit, self.processes = job, job.settings, job.dit, job.processes
        self.decoder = job.dit.decoder.module
        torch.manual_seed(derived_seed(self.settings.seed, "adapter"))
        self.decoder.requires_grad_(False)
        self.attached = job.adapter.attach(job.dit.decoder)
        try:
            self.parameters = dict(self.attached.parameters)
            trained = list(self.parameters.values())
            self.exchange = Exchange(self.processes, self.parameters)
            self.optimizer = job.optimizer(optimizers.build, parameters=trained, settings=self.settings)
        except BaseException:
            self.attached.detach()
            raise
        self.average = Average(self.parameters, self.settings.ema) if self.settings.ema else None
        self.batches = Batches(job)
        self.scale = LOSS_SCALE.get(job.dit.dtype_name, 1.0)
        self.step = self.saved = 0
        self.saved_at = time.monotonic()
        self.updating = False

    def events(self) -> Iterator[Any]:
        about = {"trainable": self._count(), "processes": self.processes.count, "notes": list(self.attached.notes)}
        yield {"event": "start", "step": 0, **about}
        if self.job.resume_from:
            average = self.average.tensors if self.average else {}
            self.step = state.load(self.job.resume_from, self.parameters, self.optimizer, average)
            self.saved = self.step
            yield from self._audition()
        else:
            yield self._grid()
            if self._validated():
                yield self._validation()
        self.decoder.train()
        exhausted = self._exhausted()
        while self.step < self.job.steps and not exhausted:
            yield self._one_step()
            due = self._save_due()
            if self._validated() and self._last_or_every(self.settings.validate_every):
                yield self._validation()
                exhausted = self._exhausted()
                due = due or exhausted or self.processes.first(lambda: self.job.run.best()[0] == self.step)
            stopping = any(self.processes.all(self.job.stop)) and self.step < self.job.steps
            if stopping or due:
                yield self._checkpoint()
            if stopping:
                return
            yield from self._audition()
        yield self._grid()
        self.processes.first(lambda: self.job.run.finish(self._export))

    def _audition(self) -> Iterator[Audition]:
        if self.job.audition(self.step):
            with self._looked_at():
                yield Audition(self.step)

    def save_if_whole(self) -> None:
        """A checkpoint of the last step, if nothing is half done and metrics.jsonl knows of that step.

        The other processes may be gone, so nothing is agreed upon.
        """
        if not self.processes.main:
            return
        known = any(r["event"] == "step" and r["step"] == self.step for r in self.job.run.metrics())
        if known and self.step > self.saved and not self.updating:
            self._write_checkpoint()

    def _one_step(self) -> Step:
        step = self.step + 1
        generator = torch.Generator().manual_seed(derived_seed(self.settings.seed, f"step {step}"))
        batches = self.batches.of_step(step)
        chosen = [showing.song for batch in batches for showing in batch]
        times = self.job.sampler.sample(rule.stratified(len(chosen), generator)).tolist()
        rest = iter(times)
        seen = [[(showing, next(rest)) for showing in batch] for batch in batches]
        self.optimizer.zero_grad(set_to_none=True)
        found = self.processes.spread(len(seen), lambda place: self._backward(step, place, seen[place], len(chosen)))
        losses = [loss for batch in found for loss in batch]
        self.exchange.add_up()
        norm = self._gradient_norm(losses, chosen, step)
        rate = learning_rate(self.settings, step)
        self._update(step, rate)
        self.job.sampler.observe(times, losses)
        found = optimizers.found_rate(self.optimizer)
        mean = sum(losses) / len(losses)
        return Step(step, mean, rate, norm, tuple(times), tuple(losses), self.batches.epoch_of(step), found)

    def _backward(self, step: int, place: int, seen: Sequence[tuple[Showing, float]], count: int) -> list[float]:
        """The losses, without weight, of the batch at that place of the step; what is random in it follows from these.

        The gradients are added up as parts of a mean over `count` songs.
        """
        generator = torch.Generator().manual_seed(derived_seed(self.settings.seed, f"step {step} batch {place}"))
        share = self.settings.null_condition
        with _shortage_told(self):
            songs = self.job.completed([self.job.load(showing) for showing, _ in seen])
            items = [drawn(self.dit, song, t, share, generator) for song, (_, t) in zip(songs, seen, strict=True)]
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))  # for dropout inside the adapter
            losses = [
                self.job.loss(rule.mse, prediction=prediction, target=item.target, t=item.t, batch=item.song)
                for item, prediction in zip(items, predictions(self.dit, items), strict=True)
            ]
            total = sum(self._weight(i.t) * i.song.weight * loss for i, loss in zip(items, losses, strict=True))
            (total * (self.scale / count)).backward()
            return [loss.item() for loss in losses]

    def _weight(self, t: float) -> float:
        gamma = self.settings.snr_gamma
        return 1.0 if gamma is None else rule.min_snr(t, gamma)

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
        raise Diverged(
            f"The loss became NaN or infinite at step {step} on {names}{kept}",
            "try a lower --learning-rate, -o backend.dtype=float32, or leave these songs out",
        )

    def _update(self, step: int, rate: float) -> None:
        self.updating = True
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        if self.average:
            self.average.update(step)
        self.step, self.updating = step, False

    def _save_due(self) -> bool:
        epochs = self.settings.save_every_epochs * self.batches.steps_per_epoch
        every_s = 60 * self.settings.save_every_minutes
        return (
            self._last_or_every(self.settings.save_every)
            or (epochs > 0 and self.step % epochs == 0)
            or (every_s > 0 and self.processes.first(lambda: time.monotonic() - self.saved_at >= every_s))
        )

    def _last_or_every(self, steps: int) -> bool:
        return self.step == self.job.steps or (steps > 0 and self.step % steps == 0)

    def _checkpoint(self) -> Path:
        self.saved, self.saved_at = self.step, time.monotonic()
        return self.processes.first(self._write_checkpoint)

    def _write_checkpoint(self) -> Path:
        def write(folder: Path) -> None:
            with self._looked_at():
                self.attached.save(folder, self._info())
            average = self.average.tensors if self.average else {}
            state.save(folder, self.step, self.parameters, self.optimizer, average)

        return self.job.run.checkpoint(self.step, write, self.settings.keep)

    def _export(self, folder: Path) -> None:
        best = self.job.run.best() if self.settings.export == "best" else None
        if best is None:
            with self._looked_at():
                self.attached.save(folder, self._info())
            return
        for path in dict(self.job.run.checkpoints())[best[0]].iterdir():
            if not state.is_state(path):
                shutil.copy(path, folder / path.name)

    def _grid(self) -> dict[str, Any]:
        songs = min(GRID_SONGS, len(self.job.songs))
        with self._looked_at():
            loss = grid_loss(self.dit, songs, self.job.load_fixed, self.settings.seed, self.processes)
        return {"event": "grid", "step": self.step, "loss": loss}

    def _validation(self) -> dict[str, Any]:
        """The adapter changes nothing before the first step, so that what is found then is the base."""
        with self._looked_at():
            found = validation(self.dit, len(self.job.held_out), self.job.load_held_out, self.processes)
        base = self.processes.first(self.job.run.base) if self.step else found["loss"]
        return {"event": "validation", "step": self.step, "base": base, **found}

    def _validated(self) -> bool:
        return self.settings.validate_every > 0 and len(self.job.held_out) > 0

    def _exhausted(self) -> bool:
        patience = self.settings.patience
        return patience > 0 and self.processes.first(lambda: self._since_best() >= patience)

    def _since_best(self) -> int:
        """Validations after the best one."""
        best = self.job.run.best()
        return 0 if best is None else sum(step > best[0] for step, _ in self.job.run.validations())

    @contextmanager
    def _looked_at(self) -> Iterator[None]:
        """Meanwhile the decoder computes what would be exported now."""
        average = None if self.settings.export == "raw" else self.average
        training = self.decoder.training
        self.decoder.eval()
        with looked_at(self.parameters, self.optimizer, average):
            yield
        self.decoder.train(training)

    def _info(self) -> Mapping[str, str]:
        """For the header of the adapter file."""
        return {**self.job.facts, "trained_steps": str(self.step)}

    def _count(self) -> int:
        return sum(p.numel() for p in self.parameters.values())
