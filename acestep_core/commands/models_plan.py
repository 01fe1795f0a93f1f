"""acestep-core models plan"""

import shlex
from pathlib import Path
from typing import Any

import click

from acestep_core.checkpoint import open_checkpoint
from acestep_core.commands.choices import chosen_options, plugin_choices, variant_choices
from acestep_core.console import print_json, table
from acestep_core.planning import RESERVE, Plan, command_line, gigabytes, plan
from acestep_core.registry import registry


@click.command("plan")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--vram",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GB",
    help="Memory of the GPU to plan for, in 10^9 bytes; what is free here now if not given.",
)
@click.option(
    "--seconds", type=click.FloatRange(min=1, max=600), default=240.0, show_default=True, help="Length of the clips."
)
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Clips at once.")
@variant_choices
@plugin_choices
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def plan_command(config: dict[str, Any], folder: Path, vram: float | None, seconds: float, batch: int,
                 variant: str | None, backend: str, pairs: tuple[str, ...], as_json: bool) -> None:  # fmt: skip
    """How to run the model in FOLDER in a given amount of memory, and what it then takes. Reads no weights."""
    options = chosen_options(pairs, config, registry(), {"backend": ("backends", backend)})["backend"]
    budget = None if vram is None else round(vram * 1e9)
    checkpoint = open_checkpoint(folder, variant)
    found = plan(checkpoint, backend, options, registry(), budget=budget, seconds=seconds, batch=batch)
    words = command_line(found, str(folder), variant, backend)
    if as_json:
        print_json({"model": checkpoint.dit.folder.name, **found.describe(), "reserve": RESERVE, "command": words})
        return
    _report(checkpoint.dit.folder.name, found, shlex.join(words))


def _report(name: str, found: Plan, line: str) -> None:
    loaded = "one part at a time" if found.one_at_a_time else "all parts loaded"
    click.echo(f"{name}: {loaded}; {found.batch} x {found.seconds:g} s takes {gigabytes(found.peak)} "
               f"of {gigabytes(found.budget)}")  # fmt: skip
    rows = [(part, gigabytes(d.weights), gigabytes(d.work)) for part, d in found.parts.items()]
    table(("part", "weights", "work"), [*rows, ("driver, gaps", "", gigabytes(RESERVE))], right=("weights", "work"))
    click.echo(f"one clip can be {found.longest_s} s long; {found.most} of {found.seconds:g} s fit at once")
    if found.note:
        click.echo(found.note)
    click.echo(line)
