"""acestep-core adapters show"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from acestep_core.adapters import recognised
from acestep_core.console import print_json, table
from acestep_core.errors import UserError
from acestep_core.registry import registry

_LONGEST = 60  # characters of a value in the header


@click.group("adapters")
def command() -> None:
    """Show what adapter files hold; `export` writes them for other programs."""


@command.command("show")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(files: tuple[Path, ...], as_json: bool) -> None:
    """Kind, layout, layers, rank, strength and size of the change of adapter files or folders, and for which model."""
    shown, problems = [], []
    for file in files:
        try:
            shown.append({"file": str(file), **recognised(file, registry()).describe(file)})
        except UserError as e:
            problems.append(e)
    if as_json:
        print_json({"adapters": shown, "problems": [str(p) for p in problems]})
    else:
        for facts in shown:
            _print(facts)
    for problem in problems:
        click.echo(f"Problem: {problem}", err=True)
    sys.exit(1 if problems else 0)


def _print(facts: Mapping[str, Any]) -> None:
    notes, header, norms = facts.get("notes", ()), facts.get("header", {}), facts.get("norms")
    rows = [(k.replace("_", " "), _words(v)) for k, v in facts.items() if k not in ("notes", "header", "norms")]
    rows += [(f"norm of {target}", f"{norm:.4g}") for target, norm in (norms or {}).items()]
    rows += [("norms", "not without the model")] if "norms" in facts and norms is None else []
    rows += [(f"header: {_line(k)}", _line(v)) for k, v in header.items()]
    table(("what", "value"), rows)
    for note in notes:
        click.echo(f"note: {note}")
    click.echo()


def _line(text: str) -> str:
    """Whatever a stranger's file says, on one short line."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} x {v}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
