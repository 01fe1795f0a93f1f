"""acestep-core models plan"""

import shlex
from pathlib import Path
from typing import Any

import click

from acestep_core.checkpoint import language_model, language_models, open_checkpoint
from acestep_core.commands.choices import chosen_options, plugin_choices, variant_choices
from acestep_core.commands.lm_choices import TABLE, backend_of_lm, lm_choices, made_backend, table_of_lm
from acestep_core.console import print_json, table
from acestep_core.errors import UserError
from acestep_core.lm.fitting import LmPlan, largest, plan_lm, short, too_large
from acestep_core.lm.requests import SHORTEST_S
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
@click.option("--think", is_flag=True, help="The clips are to be thought through by a language model first.")
@lm_choices
@variant_choices
@plugin_choices
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def plan_command(config: dict[str, Any], folder: Path, vram: float | None, seconds: float, batch: int, think: bool,
                 lm: str | None, lm_backend: str | None, variant: str | None, backend: str, pairs: tuple[str, ...],
                 as_json: bool) -> None:  # fmt: skip
    """How to run the model in FOLDER in a given amount of memory, and what it then takes. Reads no weights.

    Of language models in FOLDER it says which fit; one thinks before the model works, so they take turns.
    """
    if think and seconds < SHORTEST_S:
        raise UserError(f"The language model knows no song of {seconds:g} s", f"give --seconds {SHORTEST_S} or more")
    lm_backend = backend_of_lm(lm_backend, config)
    chosen = {"backend": ("backends", backend), **table_of_lm(lm_backend)}
    options = chosen_options(pairs, config, registry(), chosen)
    budget = None if vram is None else round(vram * 1e9)
    checkpoint = open_checkpoint(folder, variant, lm)
    found = plan(checkpoint, backend, options["backend"], registry(), budget=budget, seconds=seconds, batch=batch)
    runs = made_backend(lm_backend, options.get(TABLE, {})) or registry().make("backends", backend, found.options)
    lms, problem = _language_models(checkpoint.root, lm, think, runs, found)
    best = largest(lms)
    if think and best is None:
        raise too_large(lms, found.budget, seconds) if lms else UserError(problem, "leave --think out")
    words = [*command_line(found, str(folder), variant, backend), *_thinking(best, lm_backend, found) * think]
    if as_json:
        told = {"lms": [p.describe() for p in lms], "lm": best and best.name, "lm_problem": problem}
        print_json({"model": checkpoint.dit.folder.name, **found.describe(), **told, "reserve": RESERVE,
                    "command": words})  # fmt: skip
        return
    _report(checkpoint.dit.folder.name, found)
    _report_lms(lms, best, problem)
    click.echo(shlex.join(words))


def _language_models(root: Path, name: str | None, needed: bool, backend: Any, found: Plan) -> tuple[list[LmPlan], str]:
    """A plan for each there is, or the one that is named; and why there is none where that cannot be told."""
    one = name is not None or (needed and not language_models(root))  # says what there is instead
    folders = [language_model(root, name)] if one else language_models(root)
    try:
        return [plan_lm(f, backend, found.budget, found.seconds, found.parts) for f in folders], ""
    except UserError as e:
        return [], f"What a language model needs cannot be told: {e.problem}"


def _thinking(lm: LmPlan | None, backend: str | None, found: Plan) -> list[str]:
    """Words that follow those of the command. The last of what is said twice counts, as of the length."""
    if lm is None:
        return []
    length = min(found.seconds, found.longest_s or found.seconds, lm.longest_s)
    by = ["--lm-backend", backend] if backend else []
    return ["--think", "--lm", short(lm.name), *by, *(["--duration", f"{length:g}"] if length < found.seconds else [])]


def _report(name: str, found: Plan) -> None:
    loaded = "one part at a time" if found.one_at_a_time else "all parts loaded"
    click.echo(f"{name}: {loaded}; {found.batch} x {found.seconds:g} s takes {gigabytes(found.peak)} "
               f"of {gigabytes(found.budget)}")  # fmt: skip
    rows = [(part, gigabytes(d.weights), gigabytes(d.work)) for part, d in found.parts.items()]
    table(("part", "weights", "work"), [*rows, ("driver, gaps", "", gigabytes(RESERVE))], right=("weights", "work"))
    click.echo(f"one clip can be {found.longest_s} s long; {found.most} of {found.seconds:g} s fit at once")
    if found.note:
        click.echo(found.note)


def _report_lms(lms: list[LmPlan], best: LmPlan | None, problem: str) -> None:
    if problem:
        click.echo(problem)
    if lms:
        table(("language model", "weights", "work", "fits", "one song", "at once"), [
            (p.name, gigabytes(p.demand.weights), gigabytes(p.demand.work), p.place, f"{p.longest_s} s", p.most)
            for p in lms
        ], right=("weights", "work", "one song", "at once"))  # fmt: skip
        click.echo(f"--think takes {best.name}" if best else "none of them fits: leave --think out")
