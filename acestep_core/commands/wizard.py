"""acestep-core wizard"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.asked import Asking
from acestep_core.config import parse_toml
from acestep_core.console import STOPPED, print_json
from acestep_core.errors import UserError, raise_all
from acestep_core.files import text_at, write_text
from acestep_core.registry import registry
from acestep_core.wizard.outcome import Outcome, outcome
from acestep_core.wizard.question import Session
from acestep_core.wizard.questions import QUESTIONS, START
from acestep_core.wizard.walk import answered


@click.command("wizard")
@click.option("--answers", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="Take the answers from a TOML or JSON file and ask nothing; the rest has its defaults.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON; the questions go to stderr.")
@click.pass_context
def command(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Ask the few questions that a training needs; write a run file and show the command that does the same.

    Every answer is checked at once. Enter takes what is proposed, b goes back, ? explains, q leaves. Answers are kept
    for the next time, also when Ctrl-C ends it (code 130). Nothing is written before the last question.
    """
    session = Session(registry(), (ctx.obj or {}).get("train") or {})
    start = False
    if file is not None:
        start = _from_file(file, session, as_json)
        made = _written(session)
        _tell(made, session, as_json)
    else:
        asking = Asking(session, err=as_json)
        try:
            asking.ask(QUESTIONS, keep=True)
            made = _written(session)
            _tell(made, session, as_json)
            start = not as_json and asking.ask((START,))["start"]
        except KeyboardInterrupt:
            click.echo("\nYour answers are kept for the next time.", err=True)
            sys.exit(STOPPED)
    if start:
        _start(ctx, made)


def _from_file(path: Path, session: Session, as_json: bool) -> bool:
    """Answers everything; gives whether the training is to be started."""
    text = text_at(path, "check its path")
    try:
        given = json.loads(text) if path.suffix.lower() == ".json" else parse_toml(text, path)
    except ValueError as e:
        raise UserError(f"{path} is no valid JSON ({e})", "correct it") from None
    if not isinstance(given, dict):
        raise UserError(f"{path} holds no answers by name", 'write such as {"encoded": "encoded"}')
    if as_json and given.get("start"):
        raise UserError(f"{path}: --json starts nothing", "leave start out, and run the command that is printed")
    raise_all(answered([*QUESTIONS, START], session, given), str(path))
    return session.answers.pop("start")


def _written(session: Session) -> Outcome:
    made = outcome(session)
    write_text(made.path, made.text)
    return made


def _tell(made: Outcome, session: Session, as_json: bool) -> None:
    if as_json:
        print_json({"answers": session.answers, "command": list(made.command), "file": made.path,
                    "notes": list(made.notes)})  # fmt: skip
        return
    for note in made.notes:
        click.echo(f"note: {note}")
    click.echo(f"\nWritten: {made.path}    (acestep-core train --config {shlex.quote(str(made.path))})")
    click.echo(f"The same as a command:\n\n  {shlex.join(made.command)}\n")


def _start(ctx: click.Context, made: Outcome) -> Any:
    from acestep_core.commands import train

    arguments = list(made.command[2:])
    with train.command.make_context("train", arguments, parent=ctx.parent) as own:
        return train.command.invoke(own)
