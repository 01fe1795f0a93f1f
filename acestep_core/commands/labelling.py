"""What `transcribe` and `annotate` share: options, progress, the plan of a dry run, the summary."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import txt_choice
from acestep_core.console import STOPPED, Ticker, clock, print_json, table
from acestep_core.preparation import Planned, Prepared, PrepareResult, plan_folder, process_folder, wall_s_of


def folder_options(example: str) -> Callable[[Any], Any]:
    """Adds --jobs, --overwrite, --again, --txt, --dry-run and --json."""

    def add(command: Any) -> Any:
        for added in (
            click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON."),
            click.option("--dry-run", is_flag=True,
                         help="Show what would be asked, its cost where known and about how long it takes."),
            txt_choice,
            click.option("--again", is_flag=True,
                         help="Ask once more for what plugins gave or did not know; what you wrote stays."),
            click.option("--overwrite", default="", metavar="FIELDS",
                         help=f"Replace these even where you wrote them: all, or such as {example}."),
            click.option("--jobs", type=click.IntRange(1), default=1, show_default=True,
                         help="Songs at a time, on each worker of an executor other than local."),
        ):  # fmt: skip
            command = added(command)
        return command

    return add


def finish(
    folder: Path, executor: str, options: dict[str, Any], jobs: int, dry_run: bool, as_json: bool, overwrite: str,
    **request: Any,
) -> None:  # fmt: skip
    """Do it, or say what would be done, and end the program. Exit code 1 if a song failed."""
    request["overwrite"] = (overwrite,)
    if dry_run:
        asked = {table: given for table, given in options.items() if table != "executor"}
        show_plan(plan_folder(folder, options=asked, **request), as_json, jobs)
        return
    result = process_folder(folder, jobs=jobs, executor=executor, options=options, on_song=_progress(), **request)
    report(result, as_json)
    sys.exit(STOPPED if result.stopped else 1 if result.problems or result.ended else 0)


def _progress() -> Callable[[Prepared], None]:
    """The time left is reckoned from songs that were asked about."""
    ticker: list[Ticker] = []

    def tell(done: Prepared) -> None:
        if done.what == "kept":
            return
        if not ticker:
            ticker.append(Ticker("songs", done.total, done.number - 1))
        ticker[0].update(done.number, f"{done.song.path.name} {done.what}")

    return tell


def show_plan(plan: list[Planned], as_json: bool, jobs: int) -> None:
    costs, wall_s = [p.cost_usd for p in plan if p.cost_usd is not None], wall_s_of(plan, jobs)
    if as_json:
        asked = [{"song": p.name, "plugin": p.plugin, "fields": p.fields, "cost_usd": p.cost_usd, "wall_s": p.wall_s}
                 for p in plan]  # fmt: skip
        print_json({"asked": asked, "cost_usd": sum(costs) if costs else None, "wall_s": wall_s})
        return
    table(("song", "asks", "for"), [(p.name, p.plugin, ", ".join(p.fields)) for p in plan])
    cost = f", about ${sum(costs):.2f}" if costs else ""
    lasts = f", roughly {clock(wall_s)} with --jobs {jobs}" if wall_s is not None else ""
    click.echo(f"{len({p.name for p in plan})} songs would be worked on{cost}{lasts}. Nothing was asked or written.")


def report(result: PrepareResult, as_json: bool) -> None:
    if as_json:
        print_json(result.describe())
        return
    for line in result.notes:
        click.echo(line)
    for name, problems in result.problems.items():
        for problem in problems:
            click.echo(f"{name}: {problem}")
    if result.ended:
        click.echo(f"{result.ended}. The run ends with that.")
    fields, left = sum(map(len, result.filled.values())), len(result.not_asked)
    click.echo(f"{result.folder}: {len(result.filled)} songs asked about, {fields} fields filled, "
               f"{len(result.kept)} songs kept, {len(result.problems)} with problems"
               f"{f', {left} not asked' if left else ''}.")  # fmt: skip
    if result.ended:
        click.echo("The same command goes on with those not asked.")
    elif result.stopped:
        click.echo("Stopped; the same command goes on from there.")
    elif result.problems:
        click.echo("The same command tries those with problems again.")
