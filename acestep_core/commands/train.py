"""acestep-core train"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from acestep_core.api import Adapter
from acestep_core.commands.choices import (
    PluginName,
    extension_choice,
    made,
    model_choices,
    plugin_choices,
    settings_options,
    taking_part,
)
from acestep_core.commands.run_files import RunFileCommand, one_length, preset_record, run_file_choice
from acestep_core.commands.runs import show
from acestep_core.commands.training_choices import (
    ADAPTER,
    HOOKS,
    PROGRESS,
    SAMPLER,
    chosen_for_training,
    progress_choice,
    ranks_choice,
)
from acestep_core.comparison import memory_of
from acestep_core.console import STOPPED, clock, print_json, sparkline
from acestep_core.jobs import TrainJob
from acestep_core.optimizers import check_optimizer
from acestep_core.outcome import outcome
from acestep_core.processes import speaking_once
from acestep_core.registry import registry
from acestep_core.report.diagnosis import diagnose
from acestep_core.report.facts import read_facts
from acestep_core.report.page import FILE, write_report
from acestep_core.run_file.places import OUT, SAMPLE_PREFIX
from acestep_core.samples.making import Round
from acestep_core.samples.settings import SampleSettings
from acestep_core.train_memory import Forecast
from acestep_core.train_plan import TrainPlan, plan_train
from acestep_core.train_settings import AUTO, TrainSettings, optimizers_of
from acestep_core.training import TrainResult, train

_MOST_SHOWN = 8  # values of an option


@click.command("train", cls=RunFileCommand)
@click.argument("encoded", type=click.Path(path_type=Path))
@run_file_choice
@model_choices
@click.option("--adapter", default=ADAPTER, show_default=True, type=PluginName("adapters"), metavar="NAME",
              help="Adapter plugin: lora, lokr, loha, oft, full or any installed one.")  # fmt: skip
@click.option("--sampler", default=SAMPLER, show_default=True, type=PluginName("samplers"), metavar="NAME",
              help="Timestep sampler plugin: logit_normal, turbo_steps, uniform, adaptive or another.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True)
@ranks_choice
@click.option("--extend", is_flag=True, help="Go on with the run in --out, even a finished one, for more steps.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and how much memory it takes; load no weights.")
@settings_options(TrainSettings)
@settings_options(SampleSettings, SAMPLE_PREFIX)
@click.option("--report/--no-report", default=True, help="Write report.html at the end.  [default: report]")
@plugin_choices
@extension_choice
@progress_choice
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_context
def command(ctx: click.Context, encoded: Path, model: Path, variant: str | None, backend: str, adapter: str,
            sampler: str, out: Path, ranks_file: Path | None, extend: bool, report: bool, dry_run: bool,
            pairs: tuple[str, ...], extensions: tuple[str, ...], progress: bool, as_json: bool,
            **given: Any) -> None:  # fmt: skip
    """Train an adapter on the songs in ENCODED into the run folder --out.

    ENCODED is what `encode` made, or a folder of .pt files that the reference or Side-Step preprocessed.

    Ctrl-C saves a checkpoint and ends with code 130. The same command goes on with an unfinished run, exactly where
    its last checkpoint stands; with other settings it refuses. --extend makes a run longer: the rates from there on are
    those of a run of the new length with the old warm-up.

    Samples lie in samples/ of the run: by the model alone, and with the adapter at the same seeds. --sample-count 0
    makes none.

    Before the first step it says what memory that will take, and what would need less where the device has not as much.

    Started by torchrun, all its processes train together: each takes --accumulation batches of a step.

    --config takes all of this from a file, the run.toml of another run included; --preset says how to train, and
    the file wins. What is typed here wins over both.
    """
    with speaking_once() as processes:
        chosen = chosen_for_training(ctx, {"backend": backend, "adapter": adapter, "sampler": sampler}, pairs,
                                     extensions, progress=progress, speaks=processes.main)  # fmt: skip
        settings = made(TrainSettings, one_length(ctx, given))
        samples = made(SampleSettings, given, SAMPLE_PREFIX)
        for optimizer in optimizers_of(settings):
            check_optimizer(optimizer)
        opened, plugins = chosen.opened(model, variant, ranks_file)
        if dry_run:
            processes.first(lambda: show_plan(plan_train(encoded, opened, settings=settings, processes=processes.count,
                                                         **plugins), opened, as_json))  # fmt: skip
            return
        result = run(encoded, opened, out, settings, chosen.extensions, extend=extend, processes=processes,
                     preset=preset_record(ctx), samples=samples, **plugins)  # fmt: skip
        processes.first(lambda: tell(result, as_json, page=report))
    sys.exit(STOPPED if result.stopped else 0)


def run(
    encoded: Path,
    model: Any,
    out: Path,
    settings: TrainSettings,
    extensions: Mapping[str, Mapping[str, Any]] | None = None,
    **rest: Any,
) -> TrainResult:
    """Train while these extensions (name -> options) take part; unless given, the one that shows progress."""

    def forecast(found: Forecast) -> None:
        for line in found.sentences():
            click.echo(line, err=True)

    def start(job: TrainJob) -> None:
        resumed = int(job.resume_from.name.removeprefix("step-")) if job.resume_from else 0
        click.echo(f"{'Going on after step ' + str(resumed) if resumed else 'Training'}: {_songs(job)}, "
                   f"{job.steps} steps, {_made(job.adapter)}, {job.sampler!r}", err=True)  # fmt: skip
        if job.processes.count > 1:
            click.echo(_shared(job), err=True)
        click.echo(_validated(job), err=True)
        for note in job.notes:
            click.echo(f"note: {note}", err=True)

    if settings.learning_rate == AUTO:
        click.echo("The learning rate is auto: it is searched for first, unless it is known (see: lr-find).", err=True)
    with taking_part({PROGRESS: {}} if extensions is None else extensions, HOOKS, "train"):
        return train(encoded, model, out=out, settings=settings, on_forecast=forecast, on_start=start,
                     on_samples=_heard, **rest)  # fmt: skip


def _heard(samples: Round) -> None:
    when = f"after step {samples.step}" if samples.step else "of the model alone"
    if samples.made:
        click.echo(
            f"{len(samples.made)} samples {when}, in {clock(samples.seconds)}: {samples.made[0].parent}", err=True
        )
    for problem in samples.problems:
        click.echo(f"note: a sample {when} was not made, and the training goes on: {problem}", err=True)


def show_plan(plan: TrainPlan, model: Any, as_json: bool) -> None:
    """What a training would do and take."""
    found, facts = plan.memory(model, model.backend.room()), plan.describe()
    if as_json:
        print_json({**facts, "memory": found.describe()})
        return
    shown = f", {facts['shown_an_epoch']} an epoch with repeats" if facts["shown_an_epoch"] > facts["songs"] else ""
    length = f"{facts['steps']} steps ({facts['epochs']:g} epochs of {facts['steps_an_epoch']})"
    click.echo(f"{facts['songs']} songs{shown}, {facts['held_out']} held out; {length}")
    click.echo(f"{_made(plan.adapter)}, {plan.sampler!r}")
    if found.demand is not None:
        click.echo(f"{found.demand.trainable:,} parameters would be trained.")
    for line in found.sentences():
        click.echo(line)


def _made(adapter: Adapter) -> str:
    """As it shows itself, but without the hundreds of layers and ranks of a file."""
    long = {k: v for k, v in adapter.options().items() if isinstance(v, list) and len(v) > _MOST_SHOWN}
    text = repr(adapter)
    for key, values in long.items():
        text = text.replace(f"{key}={values!r}", f"{key}=[{len(values)} of them]")
    return text


def _songs(job: TrainJob) -> str:
    shown = f", {len(job.order)} an epoch with repeats" if len(job.order) > len(job.songs) else ""
    return f"{len(job.songs)} songs{shown}"


def _shared(job: TrainJob) -> str:
    count, each = job.processes.count, job.settings.accumulation
    return f"{count} processes train together: a step takes {each * count} batches, {each} in each process."


def _validated(job: TrainJob) -> str:
    every = job.settings.validate_every
    if not job.held_out:
        return "No songs are held out, so there is no validation: dataset save --validation 0.1 holds some out."
    when = f"every {every} steps their loss is measured" if every else "their loss is not measured"
    return f"{len(job.held_out)} songs are held out for validation and not trained on; {when}."


def tell(result: TrainResult, as_json: bool = False, page: bool = True) -> None:
    """Say what came of it, and with `page` write the report of a finished run."""
    facts = read_facts(result.run.folder, registry())
    found = diagnose(facts)
    written = result.run.folder / FILE if page and not result.stopped else None
    if written is not None:
        write_report(facts, written)
    if as_json:
        print_json(outcome(result, found, written))
        return
    records = list(result.run.metrics())
    losses = [r["loss"] for r in records if r["event"] == "step"]
    grid = [r["loss"] for r in records if r["event"] == "grid"]
    memory = memory_of(records)
    base, best, validations = result.run.base(), result.run.best(), result.run.validations()
    for record in [r for r in records if r["event"] == "start"][-1:]:
        click.echo(f"{record['trainable']:,} parameters were trained.")
        for note in record["notes"]:
            click.echo(f"note: {note}")
    if memory.measured is not None:
        click.echo(str(memory))
    click.echo(f"loss  {sparkline(losses)}")
    if len(grid) == 2:
        click.echo(f"loss on fixed noise and timesteps: {grid[0]:.4f} before, {grid[1]:.4f} after")
    if base is not None and best is not None:
        click.echo(f"validation loss: {base:.4f} without the adapter, {best[1]:.4f} at best (step {best[0]}), "
                   f"{validations[-1][1]:.4f} at the end")  # fmt: skip
    if not result.stopped and result.step < result.steps:
        click.echo(f"Ended after step {result.step} of {result.steps}: the validation loss no longer falls.")
    if result.stopped:
        click.echo(f"Stopped after step {result.step} of {result.steps}; the same command goes on from there.")
    else:
        click.echo(f"The adapter is in {result.adapter}")
    show(f for f in found if f.serious)
    if written is not None:
        click.echo(f"The report is {written}")
