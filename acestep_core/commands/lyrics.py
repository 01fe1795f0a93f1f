"""acestep-core lyrics preview | clean"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from acestep_core.cleaning import Cleaning, plan_cleaning, write_cleaning
from acestep_core.console import print_json
from acestep_core.data import Problem

_TXT = click.option("--txt", type=click.Choice(["lyrics", "caption", "ignore"]), default="lyrics", show_default=True,
                    help="What a bare {stem}.txt is.")  # fmt: skip
_JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


@click.group("lyrics")
def command() -> None:
    """Lyrics with times in them: show and write the words alone."""


@command.command("preview")
@click.argument("source", type=click.Path(path_type=Path))
@_TXT
@_JSON
def preview(source: Path, txt: str, as_json: bool) -> None:
    """Show what cleaning would change in SOURCE, a folder of songs or one file, as a unified diff. Writes nothing.

    Scan reads lyrics cleaned in the same way, so nothing needs to be written for training.
    """
    changes, problems = plan_cleaning(source, txt)
    if not as_json:
        for change in changes:
            click.echo(change.diff)
            if change.target != change.file:
                click.echo(f"# goes to {change.target.name}, {change.file.name} stays")
    _finish(changes, problems, as_json, "would be cleaned. Nothing was written.")


@command.command("clean")
@click.argument("source", type=click.Path(path_type=Path))
@_TXT
@_JSON
def clean(source: Path, txt: str, as_json: bool) -> None:
    """Write the words alone to {stem}.lyrics.txt, for SOURCE, a folder of songs or one file.

    Other files stay as they are; a {stem}.lyrics.txt with times in it is kept as {stem}.lyrics.txt.orig.
    """
    changes, problems = plan_cleaning(source, txt)
    for change in changes:
        write_cleaning(change)
        if not as_json:
            click.echo(f"{change.file.name} -> {change.target.name}")
    _finish(changes, problems, as_json, "were cleaned.")


def _finish(changes: Sequence[Cleaning], problems: Sequence[Problem], as_json: bool, done: str) -> None:
    if as_json:
        files = [{"file": str(c.file), "target": str(c.target), "diff": c.diff} for c in changes]
        print_json({"files": files, "problems": [str(p) for p in problems]})
    else:
        for problem in problems:
            click.echo(str(problem))
        click.echo(f"{len(changes)} files with times {done}")
    sys.exit(1 if problems else 0)
