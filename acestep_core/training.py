"""Trains an adapter on encoded songs: plans the run, keeps its folder, hands the loop to the backend."""

import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from acestep_core import provenance
from acestep_core.api import Adapter, TimestepSampler
from acestep_core.encoded import EncodedSet
from acestep_core.errors import UserError, raise_all
from acestep_core.model import Model
from acestep_core.observers import Observers
from acestep_core.options import check_values, option
from acestep_core.parts import Step, TrainJob
from acestep_core.registry import Registry, registry
from acestep_core.run import Run

EPOCHS = 100


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How to train; what to train is the adapter's business."""

    steps: int | None = option(None, "optimizer steps; give this or epochs", ge=1)
    epochs: int | None = option(None, f"passes over all songs; {EPOCHS} unless steps are given", ge=1)
    batch_size: int = option(1, "songs per forward pass", ge=1)
    accumulation: int = option(1, "batches per optimizer step", ge=1)
    learning_rate: float | None = option(None, "peak rate; the adapter's own when not given", gt=0, le=1)
    warmup: float = option(0.1, "share of the steps in which the rate rises", ge=0, lt=1)
    final_rate: float = option(0.01, "share of the peak rate at the end of the cosine", ge=0, le=1)
    weight_decay: float = option(0.01, "AdamW's weight decay", ge=0)
    clip_norm: float = option(1.0, "largest gradient norm; 0 = no clipping", ge=0)
    null_condition: float = option(0.15, "share of songs trained with the empty condition, for guidance", ge=0, le=1)
    gradient_checkpointing: bool = option(False, "compute activations twice to save memory")
    save_every: int = option(500, "steps between checkpoints; 0 = only at the end", ge=0)
    keep: int = option(3, "checkpoints kept; 0 = all", ge=0)
    seed: int = option(42, "drives order, noise, timesteps, dropout and the adapter's start", ge=0)


@dataclass(frozen=True)
class TrainResult:
    """What a run left behind. `stopped` says that it ended early and can be gone on with."""

    run: Run
    step: int
    steps: int
    resumed_from: int
    stopped: bool
    adapter: Path | None


# Tables of run.toml that must be equal for a run to be gone on with.
_SAME = ("train", "adapter", "sampler", "model", "data")


def train(
    encoded: str | Path | EncodedSet,
    model: Model,
    *,
    adapter: str = "lokr",
    sampler: str = "logit_normal",
    out: str | Path = "run",
    settings: TrainSettings | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    plugins: Registry | None = None,
    on_start: Callable[[TrainJob], None] = lambda job: None,
    on_step: Callable[[Step], None] = lambda step: None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainResult:
    """Train into the folder `out`; an unfinished run there with equal settings is gone on with, exactly.

    `options` holds tables for 'adapter' and 'sampler'. `stop` is asked after every step; a stop saves a checkpoint.
    An extension takes part after `registry().activate(name, options)`, or `activate` of `plugins` if given. Songs held
    out for validation are never trained on.
    Raises `UserError` for a finished or different run in `out`, and when the loss becomes NaN.
    """
    plugins, options = plugins or registry(), options or {}
    encoded = encoded if isinstance(encoded, EncodedSet) else EncodedSet.open(encoded)
    songs = _trained_on(encoded)
    made_adapter = plugins.make("adapters", adapter, options.get("adapter"))
    made_sampler = plugins.make("samplers", sampler, options.get("sampler"))
    settings = _resolved(settings or TrainSettings(), len(songs.order), made_adapter.learning_rate)
    _check_model(songs, model)
    names = {"adapters": adapter, "samplers": sampler}
    record = _record(settings, made_adapter, made_sampler, model, encoded, names, plugins)
    run = Run.open(Path(out), record, _SAME)
    resumed, checkpoint = _resumed(run, made_sampler)
    observers = Observers(plugins.manager)
    with stop_on_signals() as asked:
        job = TrainJob(
            run=run,
            settings=settings,
            adapter=made_adapter,
            sampler=made_sampler,
            dit=model.dit,
            songs=songs.names,
            order=songs.order,
            load=songs.load,
            steps=settings.steps,
            resume_from=checkpoint,
            stop=lambda: asked() or stop(),
            loss=lambda default, **inputs: observers.first("acestep_loss", default, **inputs),
            optimizer=lambda default, **inputs: observers.first("acestep_optimizer", default, **inputs),
        )
        on_start(job)
        last = _driven(model, job, observers, resumed, on_step)
    finished = last == settings.steps
    return TrainResult(run, last, settings.steps, resumed, not finished, run.adapter if finished else None)


def learning_rate(settings: TrainSettings, step: int) -> float:
    """The rate of step `step` (from 1): linear warm-up from a tenth, then cosine to `final_rate` of the peak."""
    peak, total = settings.learning_rate, settings.steps
    warm = max(1, round(total * settings.warmup)) if settings.warmup else 0
    if step <= warm:
        return peak * (0.1 + 0.9 * step / warm)
    progress = (step - warm) / max(1, total - warm)
    return peak * (settings.final_rate + (1 - settings.final_rate) * 0.5 * (1 + math.cos(math.pi * progress)))


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask for a stop after the present step; a second one interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _trained_on(encoded: EncodedSet) -> EncodedSet:
    songs = encoded.part("train")
    if not len(songs):
        raise UserError(f"All songs of {encoded.folder} are held out", "save the dataset with a smaller --validation")
    return songs


def _record(
    settings: TrainSettings,
    adapter: Adapter,
    sampler: TimestepSampler,
    model: Model,
    encoded: EncodedSet,
    names: Mapping[str, str],
    plugins: Registry,
) -> dict[str, Any]:
    """What run.toml says: everything the result depends on, and who made it."""
    used = [plugins.find(kind, name) for kind, name in names.items()]
    backends = [k for k in plugins.known("backends") if k.name == model.backend.name]
    songs = _trained_on(encoded)
    return {
        "train": asdict(settings),
        "adapter": {"name": used[0].qualified, **adapter.options()},
        "sampler": {"name": used[1].qualified, **sampler.options()},
        "model": {"variant": model.info.variant, "hash": model.hashes["dit"]},
        "data": {
            "songs": songs.ids,
            "inputs": songs.inputs,
            "held_out": encoded.part("validation").ids,
            **_repeats(songs),
        },  # fmt: skip
        "paths": {"encoded": str(songs.folder.resolve()), "model": str(model.info.folder.resolve())},
        "backend": {"name": model.backend.name, **model.backend.options()},
        "plugins": provenance.origins([*used, *backends[:1]], plugins),
        "extensions": provenance.extensions(plugins),
        "versions": provenance.versions(),
    }


def _repeats(songs: EncodedSet) -> dict[str, Any]:
    """Per song how often an epoch shows it; nothing if all are shown once."""
    counts = Counter(songs.order)
    return {"repeats": [counts[i] for i in range(len(songs))]} if len(songs.order) > len(songs) else {}


def _resumed(run: Run, sampler: TimestepSampler) -> tuple[int, Path | None]:
    """(step, checkpoint) to go on from; records after it are dropped, and the sampler hears again of those before."""
    step, checkpoint = run.checkpoints()[-1] if run.checkpoints() else (0, None)
    run.forget_after(step if checkpoint else -1)
    for entry in run.metrics():
        if entry["event"] == "step":
            sampler.observe(entry["t"], entry["losses"])
    return step, checkpoint


def _driven(model: Model, job: TrainJob, observers: Observers, resumed: int, on_step: Callable) -> int:
    """The last step done. Metrics, observers and the caller hear of every step."""
    last, error = resumed, None
    observers.notify("acestep_train_start", run=job.run)
    try:
        for event in model.backend.train(job):
            if isinstance(event, Step):
                last = event.step
                job.run.log({"event": "step", **asdict(event), "time": round(time.time(), 3)})
                heard = {"step": event.step, "loss": event.loss, "t": event.t, "lr": event.lr}
                observers.notify("acestep_train_step", run=job.run, **heard)
                on_step(event)
            elif isinstance(event, Path):
                observers.notify("acestep_checkpoint", run=job.run, step=last, folder=event)
            else:
                job.run.log(event)
    except BaseException as e:
        error = e
        raise
    finally:
        observers.notify("acestep_train_end", run=job.run, error=error)
    return last


def planned_steps(shown: int, settings: TrainSettings) -> int:
    """Optimizer steps of a run whose epochs show so many songs, repeats counted."""
    per_step = settings.batch_size * settings.accumulation
    return settings.steps or math.ceil(shown * (settings.epochs or EPOCHS) / per_step)


def _resolved(settings: TrainSettings, shown: int, rate: float) -> TrainSettings:
    errors = check_values(settings, "train")
    if settings.steps is not None and settings.epochs is not None:
        errors.append(UserError("--steps and --epochs say the same thing twice", "give one of them"))
    raise_all(errors, "The settings")
    steps = planned_steps(shown, settings)
    rate = rate if settings.learning_rate is None else settings.learning_rate
    return replace(settings, steps=steps, epochs=None, learning_rate=rate)


def _check_model(songs: EncodedSet, model: Model) -> None:
    if list(model.adapters):
        raise UserError("Adapters are on the model, and would be trained upon", "take them off: model.adapters.clear()")
    made_by = songs.manifest["model"]["hashes"]["dit"]
    if made_by != model.hashes["dit"]:
        raise UserError(
            f"{songs.folder} was encoded with another model (dit {made_by}, this is {model.hashes['dit']})",
            f"encode again with {model.info.folder}",
        )
