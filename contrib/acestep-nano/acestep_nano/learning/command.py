"""python -m acestep_nano train"""

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from acestep_core.console import errors_shown
from acestep_nano.learning.recipe import SMALL, Recipe

STOPPED = 130  # as a shell reports a program ended by Ctrl-C


def _given(command: Any) -> Any:
    """An option for every number of a recipe."""
    for field in reversed(fields(Recipe)):
        command = click.option(f"--{field.name.replace('_', '-')}", field.name, type=type(field.default))(command)
    return command


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--small", is_flag=True, help="A few pieces and steps, to see that it runs; the model can do nothing.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, mps or xpu.")
@_given
def train(out: Path, small: bool, device: str, **given: Any) -> None:
    """Make acestep-nano in the folder OUT: compose pieces, learn audio codes, a base model and a few-step model.

    Two CPU cores take some two and a half hours. The same command goes on after Ctrl-C or a kill.
    """
    from acestep_core.files import write_text
    from acestep_nano.learning.log import log_text
    from acestep_nano.learning.stages import Stages

    recipe = replace(SMALL if small else Recipe(), **{k: v for k, v in given.items() if v is not None})
    with errors_shown():
        made = Stages(out, recipe, {"device": device}).all()
        if made is None:
            click.echo("Stopped; the same command goes on.", err=True)
            sys.exit(STOPPED)
        write_text(out / "log.md", log_text(out, recipe))
    click.echo(f"The checkpoint is {made}, the log {out / 'log.md'}.")
