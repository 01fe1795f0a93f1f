"""acestep-core lr-find"""

import sys
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import (
    PluginName,
    extension_choice,
    made,
    model_choices,
    plugin_choices,
    settings_options,
    taking_part,
)
from acestep_core.commands.run_files import RunFileCommand, run_file_choice
from acestep_core.commands.training_choices import (
    ADAPTER,
    HOOKS,
    SAMPLER,
    chosen_for_training,
    progress_choice,
    ranks_choice,
)
from acestep_core.console import STOPPED, print_json, sparkline
from acestep_core.found_rate import PICTURE, RESULT, FoundRate
from acestep_core.optimizers import check_optimizer
from acestep_core.rate_finding import DEFAULT_OUT, TAKEN, FindSettings, find_rate
from acestep_core.train_settings import TrainSettings


@click.command("lr-find", cls=RunFileCommand)
@click.argument("encoded", type=click.Path(path_type=Path))
@run_file_choice
@model_choices
@click.option("--adapter", default=ADAPTER, show_default=True, type=PluginName("adapters"), metavar="NAME",
              help="Adapter plugin the rate is for.")  # fmt: skip
@click.option("--sampler", default=SAMPLER, show_default=True, type=PluginName("samplers"), metavar="NAME",
              help="Timestep sampler plugin it is for.")  # fmt: skip
@click.option("--out", "into", type=click.Path(path_type=Path), default=DEFAULT_OUT, show_default=True)
@ranks_choice
@settings_options(FindSettings)
@settings_options(TrainSettings, only=TAKEN)
@plugin_choices
@extension_choice
@progress_choice
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_context
def command(ctx: click.Context, encoded: Path, model: Path, variant: str | None, backend: str, adapter: str,
            sampler: str, into: Path, ranks_file: Path | None, pairs: tuple[str, ...], extensions: tuple[str, ...],
            progress: bool, as_json: bool, **given: Any) -> None:  # fmt: skip
    """Find a learning rate for the songs in ENCODED: half of where Prodigy's own estimate comes to rest.

    The training loop itself runs until then, for 400 steps at most; nothing of it is kept but the numbers. The same
    command goes on with a search that was stopped, and reads a finished one. --config takes the run file of a training.
    """
    chosen = chosen_for_training(ctx, {"backend": backend, "adapter": adapter, "sampler": sampler}, pairs,
                                 extensions, progress=progress)  # fmt: skip
    finding, settings = made(FindSettings, given), made(TrainSettings, {k: given[k] for k in TAKEN})
    check_optimizer(finding.recipe)
    opened, plugins = chosen.opened(model, variant, ranks_file)
    with taking_part(chosen.extensions, HOOKS, "lr-find"):
        found = find_rate(encoded, opened, into, finding, settings=settings, **plugins)
    report(found, as_json)
    sys.exit(STOPPED if found.stopped else 0)


def report(found: FoundRate, as_json: bool) -> None:
    if found.stopped:
        click.echo("Stopped before a rate was found; the same command goes on from there.", err=True)
        return
    if as_json:
        print_json(found.describe())
        return
    click.echo(f"d*lr  {sparkline([rate for _, rate, _ in found.record['curve']])}")
    click.echo(f"{'plateau' if found.stable else 'last stable value'} {found.plateau:.3g}: {found.why}")
    click.echo(f"learning rate: {found.rate:.3g}{' (found before)' if found.kept else ''}")
    click.echo(f"{found.folder / RESULT} tells all of it, {found.folder / PICTURE} shows it. "
               f"Train with --learning-rate {found.rate:g}, or auto")  # fmt: skip
