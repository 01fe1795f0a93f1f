"""Runs a lesson with the product's own training loop, in a run folder that can be gone on with after a kill."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acestep_core import TimestepSampler, provenance
from acestep_core.console import Ticker
from acestep_core.jobs import Step
from acestep_core.run import Run
from acestep_core.train_settings import TrainSettings, resolved
from acestep_core.training import stop_on_signals
from acestep_nano.learning.everything import Everything
from acestep_nano.learning.lesson import Lesson

_SAME = ("train", "recipe", "sampler")


def run_lesson(
    lesson: Lesson,
    adapter: Everything,
    sampler: TimestepSampler,
    settings: TrainSettings,
    out: Path,
    recipe: Mapping[str, Any],
    loss: Callable[..., Any],
    label: str,
) -> Run | None:
    """The finished run, or None where it was stopped; it goes on from its last checkpoint."""
    from acestep_plugins.backends.pt import PyTorch
    from acestep_plugins.backends.pt.optimizers import build

    told = resolved(settings, shown=len(lesson), rate=adapter.learning_rate)
    drawn = {"name": sampler.name, **sampler.options()}
    record = {"train": asdict(told), "recipe": dict(recipe), "sampler": drawn, "versions": provenance.versions()}
    run = Run(out)
    if run.adapter.is_dir():
        return run
    run = Run.open(out, record, _SAME)
    resumed = next((step for step, _ in reversed(run.checkpoints())), 0)
    run.forget_after(resumed or -1)
    ticker = Ticker(label, told.steps, resumed)
    with stop_on_signals() as stop:
        job = lesson.job(
            run=run, settings=told, adapter=adapter, sampler=sampler, loss=loss,
            optimizer=lambda default, **given: build(**given), stop=stop,
            resume_from=run.at(resumed) if resumed else None,
        )  # fmt: skip
        for event in PyTorch().train(job):
            if isinstance(event, Step):
                run.log({"event": "step", **asdict(event)})
                ticker.update(event.step, f"loss {event.loss:.3f}")
            elif isinstance(event, dict):
                run.log(event)
    return run if run.adapter.is_dir() else None
