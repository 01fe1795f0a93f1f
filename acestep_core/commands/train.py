"""acestep-core train"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import (
    PluginName,
    chosen_options,
    extension_choice,
    extension_tables,
    made,
    model_choices,
    open_model,
    plugin_choices,
    settings_options,
    taking_part,
)
from acestep_core.console import print_json, sparkline
from acestep_core.hooks import STEPS
from acestep_core.parts import TrainJob
from acestep_core.registry import registry
from acestep_core.training import TrainResult, TrainSettings, train

STOPPED = 130  # as a shell reports a program ended by Ctrl-C
PROGRESS = "progress@acestep-core"
HOOKS = ("acestep_train_start", "acestep_train_step", "acestep_checkpoint", "acestep_train_end", *STEPS)


@click.command("train")
@click.argument("encoded", type=click.Path(path_type=Path))
@model_choices
@click.option("--adapter", default="lokr", show_default=True, type=PluginName("adapters"), metavar="NAME",
              help="Adapter plugin: lora, lokr, loha, oft or any installed one.")  # fmt: skip
@click.option("--sampler", default="logit_normal", show_default=True, type=PluginName("samplers"), metavar="NAME",
              help="Timestep sampler plugin: logit_normal, turbo_steps, uniform or any installed one.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("run"), show_default=True)
@settings_options(TrainSettings)
@plugin_choices
@extension_choice
@click.option("--progress/--no-progress", default=True, help="Show how far it is.  [default: progress]")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_obj
def command(config: dict[str, Any], encoded: Path, model: Path, variant: str | None, backend: str, adapter: str,
            sampler: str, out: Path, pairs: tuple[str, ...], extensions: tuple[str, ...], progress: bool,
            as_json: bool, **given: Any) -> None:  # fmt: skip
    """Train an adapter on the songs in ENCODED, which `encode` made, into the run folder --out.

    Ctrl-C saves a checkpoint and ends with code 130. The same command goes on with an unfinished run, exactly where
    its last checkpoint stands; with other settings it refuses.
    """
    chosen = {"backend": ("backends", backend), "adapter": ("adapters", adapter), "sampler": ("samplers", sampler)}
    if progress and "progress" not in {name.partition("@")[0] for name in extensions}:
        extensions = (PROGRESS, *extensions)
    heard = extension_tables(extensions, chosen)
    options = chosen_options(pairs, config, registry(), chosen | heard)
    extended = {name: options.pop(table) for table, (_, name) in heard.items()}
    opened = open_model(model, variant, backend, options["backend"])
    settings = made(TrainSettings, given)
    result = run(encoded, opened, out, settings, extended, adapter=adapter, sampler=sampler, options=options)
    report(result, as_json)
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

    def start(job: TrainJob) -> None:
        resumed = int(job.resume_from.name.removeprefix("step-")) if job.resume_from else 0
        click.echo(f"{'Going on after step ' + str(resumed) if resumed else 'Training'}: {_songs(job)}, "
                   f"{job.steps} steps, {job.adapter!r}, {job.sampler!r}", err=True)  # fmt: skip
        held_out = job.run.settings()["data"]["held_out"]
        if held_out:
            click.echo(f"{len(held_out)} songs are held out for validation and not trained on.", err=True)

    with taking_part({PROGRESS: {}} if extensions is None else extensions, HOOKS, "train"):
        return train(encoded, model, out=out, settings=settings, on_start=start, **rest)


def _songs(job: TrainJob) -> str:
    shown = f", {len(job.order)} an epoch with repeats" if len(job.order) > len(job.songs) else ""
    return f"{len(job.songs)} songs{shown}"


def report(result: TrainResult, as_json: bool = False) -> None:
    records = list(result.run.metrics())
    losses = [r["loss"] for r in records if r["event"] == "step"]
    grid = [r["loss"] for r in records if r["event"] == "grid"]
    if as_json:
        print_json({"run": result.run.folder, "step": result.step, "steps": result.steps, "stopped": result.stopped,
                    "resumed_from": result.resumed_from, "adapter": result.adapter, "grid_loss": grid})  # fmt: skip
        return
    for record in [r for r in records if r["event"] == "start"][-1:]:
        click.echo(f"{record['trainable']:,} parameters were trained.")
        for note in record["notes"]:
            click.echo(f"note: {note}")
    click.echo(f"loss  {sparkline(losses)}")
    if len(grid) == 2:
        click.echo(f"loss on fixed noise and timesteps: {grid[0]:.4f} before, {grid[1]:.4f} after")
    if result.stopped:
        click.echo(f"Stopped after step {result.step} of {result.steps}; the same command goes on from there.")
    else:
        click.echo(f"The adapter is in {result.adapter}")
