"""Trains an adapter on encoded songs: plans the run, keeps its folder, hands the loop to the backend."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from acestep_core import provenance, sharing
from acestep_core.adapter_facts import trained_facts
from acestep_core.api import Adapter, TimestepSampler
from acestep_core.encoded import EncodedSet
from acestep_core.errors import UserError
from acestep_core.model import Model
from acestep_core.observers import Observers
from acestep_core.parts import Step, TrainJob
from acestep_core.processes import Processes, joined
from acestep_core.reference import tensors
from acestep_core.registry import Registry, registry
from acestep_core.run import SETTINGS, Run
from acestep_core.train_settings import TrainSettings, resolved


@dataclass(frozen=True)
class TrainResult:
    """What a run left behind. `stopped` says that it can be gone on with; one that ended early by itself is not."""

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
    extend: bool = False,
    preset: Mapping[str, Any] | None = None,
    on_start: Callable[[TrainJob], None] = lambda job: None,
    on_step: Callable[[Step], None] = lambda step: None,
    stop: Callable[[], bool] = lambda: False,
    processes: Processes | None = None,
) -> TrainResult:
    """Train into the folder `out`; an unfinished run there with equal settings is gone on with, exactly.

    `options` holds tables for 'adapter' and 'sampler'. `stop` is asked after every step; a stop saves a checkpoint.
    With `extend` a run there, finished or not, is gone on with for more steps than it was planned for.
    `preset` is what run.toml says of a preset that settings come from. An extension takes part after
    `registry().activate(name, options)`, or `activate` of `plugins` if given. Songs held out for validation are never
    trained on.
    `processes` train together: those that `torchrun` started, unless given. The first alone writes, and calls what it
    was given to call.
    Raises `UserError` for a finished or different run in `out`, and when the loss becomes NaN.
    """
    plugins, options = plugins or registry(), options or {}
    encoded = encoded if isinstance(encoded, EncodedSet) else EncodedSet.open(encoded)
    songs, held_out, run = _trained_on(encoded), encoded.part("validation"), Run(Path(out))
    made_adapter = plugins.make("adapters", adapter, options.get("adapter"))
    made_sampler = plugins.make("samplers", sampler, options.get("sampler"))
    with nullcontext(processes) if processes else joined() as together:
        facts = {"turbo": model.info.turbo, "held_out": len(held_out) > 0, "processes": together.count}
        chosen = resolved(
            settings or TrainSettings(), shown=len(songs.order), rate=made_adapter.learning_rate, **facts
        )  # fmt: skip
        chosen = together.first(lambda: _lengthened(run, chosen)) if extend else chosen
        notes = check_model(encoded, model) + sharing.check(together, model.backend, chosen, len(songs.order))
        names = {"adapters": adapter, "samplers": sampler}
        record = _record(chosen, made_adapter, made_sampler, model, encoded, names, plugins)
        record |= {"preset": preset} if preset else {}
        record["processes"] = {"count": together.count}
        resumed = _opened(run, record, extend, made_sampler, together)
        observers = Observers(plugins.manager)
        with stop_on_signals() as asked:
            job = TrainJob(
                run=run, settings=chosen, steps=chosen.steps, resume_from=run.at(resumed) if resumed else None,
                adapter=made_adapter, sampler=made_sampler, dit=model.dit, notes=notes, processes=together,
                stop=lambda: asked() or (together.main and stop()),
                facts=_facts(model, made_sampler, songs, chosen), **_shown(songs, held_out, chosen),
                **_replaceable(observers),
            )  # fmt: skip
            last = _driven(model, job, observers, resumed, on_start, on_step)
        finished = together.first(run.adapter.is_dir)
    return TrainResult(run, last, chosen.steps, resumed, not finished, run.adapter if finished else None)


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


def _shown(songs: EncodedSet, held_out: EncodedSet, settings: TrainSettings) -> dict[str, Any]:
    """What a job says of the songs."""
    return {
        "songs": songs.names,
        "order": songs.order,
        "frames": lambda showing: songs.frames(showing, settings.seed),
        "load": lambda showing: songs.shown(showing, settings.seed),
        "load_fixed": songs.load,
        "held_out": held_out.names,
        "load_held_out": held_out.load,
    }


def _facts(model: Model, sampler: TimestepSampler, songs: EncodedSet, settings: TrainSettings) -> dict[str, str]:
    given = {"trigger": settings.trigger, "author": settings.author, "license": settings.license}
    return trained_facts(model.info, model.hashes["dit"], sampler, songs, given)


def _replaceable(observers: Observers) -> dict[str, Any]:
    """The steps of training that a plugin may replace."""
    return {
        "loss": lambda default, **inputs: observers.first("acestep_loss", default, **inputs),
        "optimizer": lambda default, **inputs: observers.first("acestep_optimizer", default, **inputs),
    }


def _lengthened(run: Run, settings: TrainSettings) -> TrainSettings:
    """The settings for more steps of a run; its warm-up stays as long as it was."""
    if not (run.folder / SETTINGS).is_file():
        raise UserError(f"{run.folder} holds no run to extend", "leave --extend out, or give the --out of a run")
    before = run.settings()["train"]
    if settings.steps <= before["steps"]:
        raise UserError(f"The run in {run.folder} has {before['steps']} steps already", "give more --steps or --epochs")
    return replace(settings, warmup=before["warmup"])


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


def _opened(run: Run, record: Mapping[str, Any], extend: bool, sampler: TimestepSampler, together: Processes) -> int:
    """The step to go on after. Records after it are dropped, and the sampler hears again of those before."""
    sharing.check_same(together, record, (*_SAME, "plugins", "versions"))

    def there() -> tuple[int, list[tuple[Any, Any]]]:
        Run.open(run.folder, record, _SAME, longer=extend)
        checkpoints = run.checkpoints()
        step = checkpoints[-1][0] if checkpoints else 0
        run.forget_after(step if checkpoints else -1)
        return step, [(r["t"], r["losses"]) for r in run.metrics() if r["event"] == "step"]

    step, heard = together.first(there)
    for t, losses in heard:
        sampler.observe(t, losses)
    sharing.check_shared(together, run.folder)
    return step


def _driven(
    model: Model, job: TrainJob, observers: Observers, resumed: int, on_start: Callable, on_step: Callable
) -> int:
    """The last step done. Metrics, observers and the caller hear of every step, in the first process."""
    if not job.processes.main:
        steps = [event.step for event in model.backend.train(job) if isinstance(event, Step)]
        return max(steps, default=resumed)
    on_start(job)
    last, error = resumed, None
    observers.notify("acestep_train_start", run=job.run)
    events = model.backend.train(job)
    try:
        for event in events:
            if isinstance(event, Step):
                last = event.step
                job.run.log({"event": "step", **asdict(event), "time": round(time.time(), 3)})
                heard = {k: getattr(event, k) for k in ("step", "loss", "t", "lr", "losses")}
                observers.notify("acestep_train_step", run=job.run, **heard)
                on_step(event)
            elif isinstance(event, Path):
                observers.notify("acestep_checkpoint", run=job.run, step=last, folder=event)
            else:
                job.run.log(event)
                if event["event"] == "validation":
                    heard = {k: event[k] for k in ("step", "loss", "base")}
                    observers.notify("acestep_validation", run=job.run, **heard)
    except BaseException as e:
        error = e
        getattr(events, "close", lambda: None)()  # now, not when it is collected: a backend saves what is done
        raise
    finally:
        observers.notify("acestep_train_end", run=job.run, error=error)
    return last


def check_model(encoded: EncodedSet, model: Model) -> list[str]:
    """Raise `UserError` unless the songs were encoded with this model, and nothing is on it.

    Gives notes on songs that others encoded; who made them cannot be read there, so they are held against the model.
    """
    if list(model.adapters):
        raise UserError("Adapters are on the model, and would be trained upon", "take them off: model.adapters.clear()")
    if encoded.foreign:
        return tensors.check_with(encoded.folder, encoded.manifest["songs"], model.dit)
    made_by = encoded.manifest["model"]["hashes"]["dit"]
    if made_by != model.hashes["dit"]:
        raise UserError(
            f"{encoded.folder} was encoded with another model (dit {made_by}, this is {model.hashes['dit']})",
            f"encode again with {model.info.folder}",
        )
    return []
