"""Trains an adapter on encoded songs: plans the run, keeps its folder, hands the loop to the backend."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from acestep_core import sharing
from acestep_core.deltas import write_deltas
from acestep_core.encoded import EncodedSet
from acestep_core.errors import UserError
from acestep_core.going_on import ended, last_step, lengthened, opened
from acestep_core.hooks import STEPS
from acestep_core.jobs import Audition, Step, TrainJob
from acestep_core.model import Model
from acestep_core.observers import Observers
from acestep_core.processes import Processes, joined
from acestep_core.registry import Registry, registry
from acestep_core.run import FOUND, Run
from acestep_core.run_record import header_facts, run_record
from acestep_core.samples.making import Auditions, Round
from acestep_core.samples.prompts import sample_requests
from acestep_core.samples.settings import SampleSettings
from acestep_core.train_memory import Forecast
from acestep_core.train_plan import TrainPlan, plan_train
from acestep_core.train_settings import AUTO, TrainSettings
from acestep_core.training_songs import check_model, shown


@dataclass(frozen=True)
class TrainResult:
    """What a run left behind. `stopped` says that it can be gone on with; one that ended early by itself is not."""

    run: Run
    step: int
    steps: int
    resumed_from: int
    stopped: bool
    adapter: Path | None


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
    retry: bool = False,
    preset: Mapping[str, Any] | None = None,
    samples: SampleSettings | None = None,
    on_forecast: Callable[[Forecast], None] | None = None,
    on_start: Callable[[TrainJob], None] = lambda job: None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_samples: Callable[[Round], None] = lambda samples: None,
    stop: Callable[[], bool] = lambda: False,
    processes: Processes | None = None,
) -> TrainResult:
    """Train into the folder `out`; an unfinished run there with equal settings is gone on with, exactly.

    `options` holds tables for 'adapter' and 'sampler'. `stop` is asked after every step; a stop saves a checkpoint.
    With `extend` a run there, finished or not, is gone on with for more steps than were planned. `retry` says that the
    same call was cut off: a run that it had finished is told of, once its last samples are made. `on_forecast` hears
    what memory it will take before anything loads. `preset` is what run.toml says of a preset. An extension takes part
    after `registry().activate(name, options)`, or `activate` of `plugins`. Songs held out are never trained on. With
    `samples`, clips by which it is heard are made into samples/; nothing of what is learnt depends on them, and
    `on_samples` hears of one that fails. `processes` train together: those that `torchrun` started, unless given; the
    first alone writes and calls back. Raises `UserError` for a finished or different run in `out` and a loss of NaN.
    """
    plugins, room = plugins or registry(), model.backend.room()
    encoded = encoded if isinstance(encoded, EncodedSet) else EncodedSet.open(encoded)
    run, samples = Run(Path(out)), samples or SampleSettings(count=0)
    requests = sample_requests(samples, encoded, model.info)
    named = {"adapter": adapter, "sampler": sampler, "options": options or {}, "plugins": plugins}
    with nullcontext(processes) if processes else joined() as together:
        plan = plan_train(encoded, model, settings=settings, processes=together.count, **named)
        plan, longer = _lengthened(plan, run, retry, together) if extend else (plan, False)
        notes = check_model(encoded, model) + sharing.check(together, model.backend, plan)
        record = run_record(plan, model, encoded, {"adapters": adapter, "samplers": sampler}, plugins)
        record |= {"sample": samples.options()} | ({"preset": preset} if preset else {})
        if plan.settings.learning_rate == AUTO:
            known = _rate_known(together, encoded, model, run.folder, plan.settings, record, named | {"stop": stop})
            if known is None:
                return TrainResult(run, 0, plan.settings.steps, 0, True, None)
            plan, notes = _rated(plan, record, known), [*notes, _told(known)]
        made = partial(Auditions, model, run, requests, samples, plan.settings, plugins, told=on_samples)
        if retry and together.first(lambda: ended(run, record)):
            return together.first(lambda: _completed(run, plan.settings.steps, model, plugins, made))
        resumed = opened(run, record, longer, plan.sampler, together)
        together.first(lambda: _forecast(plan, model, room, run, resumed, on_forecast))
        observers = Observers(plugins.manager)
        with stop_on_signals() as signalled:
            auditions = made(stop=signalled)
            job = TrainJob(**_planned(plan, model, observers, run, resumed), notes=notes, processes=together,
                           audition=auditions.due, stop=lambda: signalled() or (together.main and stop()))  # fmt: skip
            last = _driven(model, job, observers, auditions, resumed, on_start, on_step)
        return together.first(lambda: _result(run, last, plan.settings.steps, resumed, model, plugins))


def _planned(plan: TrainPlan, model: Model, observers: Observers, run: Run, resumed: int) -> dict[str, Any]:
    """What a job says of its plan and its run, and the steps of training that a plugin may replace."""
    return {
        "run": run, "resume_from": run.at(resumed) if resumed else None,
        "settings": plan.settings, "steps": plan.settings.steps, "adapter": plan.adapter, "sampler": plan.sampler,
        "dit": model.dit,
        "facts": header_facts(model, plan.sampler, plan.songs, plan.settings),
        **shown(plan.songs, plan.held_out, plan.settings),
        **{hook.removeprefix("acestep_"): partial(observers.first, hook) for hook in STEPS},
    }  # fmt: skip


def _lengthened(plan: TrainPlan, run: Run, retry: bool, together: Processes) -> tuple[TrainPlan, bool]:
    settings, longer = together.first(lambda: lengthened(run, plan.settings, retry))
    return replace(plan, settings=settings), longer


def _forecast(
    plan: TrainPlan, model: Model, room: int | None, run: Run, resumed: int,
    on_forecast: Callable[[Forecast], None] | None,
) -> None:  # fmt: skip
    if on_forecast is None:
        return
    memory = plan.memory(model, room)
    run.log({"event": "forecast", "step": resumed, **memory.describe()})
    on_forecast(memory)


def _completed(
    run: Run, steps: int, model: Model, plugins: Registry, made: Callable[..., Auditions]
) -> TrainResult:  # fmt: skip
    """What a finished run came to, whose last samples and measures a kill may have left out."""
    step = last_step(run)
    with stop_on_signals() as signalled:
        made(stop=signalled).finished(step)
    return _result(run, step, steps, step, model, plugins)


def _result(run: Run, step: int, steps: int, resumed: int, model: Model, plugins: Registry) -> TrainResult:
    """Finished where there is an adapter, whose size beside the weights is then measured."""
    finished = run.adapter.is_dir()
    if finished:
        write_deltas(run, model.info, plugins)
    return TrainResult(run, step, steps, resumed, not finished, run.adapter if finished else None)


def _rate_known(
    processes: Processes,
    encoded: EncodedSet,
    model: Model,
    out: Path,
    settings: TrainSettings,
    record: Mapping[str, Any],
    rest: Mapping[str, Any],
) -> dict[str, Any] | None:
    from acestep_core.rate_finding import rate_for  # here because that trains with this module

    alone = processes.count == 1
    return processes.first(lambda: rate_for(encoded, model, out, settings, record, may_search=alone, **rest))


def _rated(plan: TrainPlan, record: dict[str, Any], known: Mapping[str, Any]) -> TrainPlan:
    """The plan with the rate that was found, which the record tells."""
    plan = replace(plan, settings=replace(plan.settings, learning_rate=known["learning_rate"]))
    record |= {"train": asdict(plan.settings), FOUND: known}
    return plan


def _told(known: Mapping[str, Any]) -> str:
    return f"learning rate {known['learning_rate']:.3g}: {known['why']} ({known['file']})"


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


def _driven(
    model: Model,
    job: TrainJob,
    observers: Observers,
    auditions: Auditions,
    resumed: int,
    on_start: Callable,
    on_step: Callable,
) -> int:
    """The last step done. The first process writes, tells and, before and after as well, makes samples."""
    if not job.processes.main:
        steps = [event.step for event in model.backend.train(job) if isinstance(event, Step)]
        return max(steps, default=resumed)
    on_start(job)
    last, error = resumed, None
    auditions.base()
    observers.notify("acestep_train_start", run=job.run)
    events = model.backend.train(job)
    try:
        for event in events:
            if isinstance(event, Step):
                last = event.step
                job.run.log({"event": "step", **asdict(event), "time": round(time.time(), 3)})
                heard = {k: getattr(event, k) for k in ("step", "loss", "t", "lr", "losses", "d")}
                observers.notify("acestep_train_step", run=job.run, **heard)
                on_step(event)
            elif isinstance(event, Path):
                observers.notify("acestep_checkpoint", run=job.run, step=last, folder=event)
            elif isinstance(event, Audition):
                auditions.during(event.step)
            else:
                job.run.log(event)
                if event["event"] == "validation":
                    heard = {k: event[k] for k in ("step", "loss", "base")}
                    observers.notify("acestep_validation", run=job.run, **heard)
    except BaseException as e:
        error = e
        if isinstance(e, Exception):
            _log_error(job.run, last, e)
        getattr(events, "close", lambda: None)()  # now, not when it is collected: a backend saves what is done
        raise
    finally:
        observers.notify("acestep_train_end", run=job.run, error=error)
    if job.run.adapter.is_dir():
        auditions.finished(last)
    return last


def _log_error(run: Run, step: int, error: Exception) -> None:
    problem = error.problem if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    with suppress(OSError):  # a full disk may be the error
        run.log({"event": "error", "step": step, "problem": problem})
