"""The start of a checked run: where its record goes, and what is said when it has ended."""

from collections.abc import Sequence
from pathlib import Path

import click

from acestep_core import UserError
from acestep_core.console import clock, print_json
from acestep_kohya.call import Call
from acestep_kohya.looking import results_of
from acestep_kohya.running import RECORD, Ending, commit_of, run


def start(call: Call, words: Sequence[str], scripts: Path, overwrite: bool, as_json: bool) -> int:
    """The exit code of the run. Raises `UserError` rather than replace what an earlier run has made."""
    result = results_of(call)
    if result.exists() and not overwrite:
        raise UserError(f"{result} is there already", "give --overwrite, or --set output_name=ANOTHER")
    record = result.with_name(result.stem + RECORD)
    about = {"template": str(call.template.path), "script": call.schema.script, "commit": commit_of(scripts)}
    ending = run(words, record, about, as_json)
    if as_json:
        print_json({"record": str(record), "result": str(result) if result.exists() else None, **ending.record})
    else:
        _tell(call, ending, result, record)
    return ending.code


def _tell(call: Call, ending: Ending, result: Path, record: Path) -> None:
    steps = f" after step {ending.steps.done} of {ending.steps.total}" if ending.steps else ""
    if ending.code == 0:
        made = f"{result} is written" if result.exists() else f"but there is no {result}"
        click.echo(f"{call.schema.script} has ended{steps}, {clock(ending.record['seconds'])}; {made}.")
        return
    how = "was stopped" if ending.interrupted else "ended"
    click.echo(f"{call.schema.script} {how} with exit code {ending.code}{steps}; the command is in {record}.", err=True)
