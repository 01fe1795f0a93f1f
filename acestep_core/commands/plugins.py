"""acestep-core plugins list | show | new | doctor"""

import shlex
from pathlib import Path
from typing import Any

import click

from acestep_core.api import KINDS
from acestep_core.commands.doctor import command as doctor
from acestep_core.console import print_json, table
from acestep_core.options import options_of, schema_of
from acestep_core.registry import registry

_SINGULAR = [kind[:-1] for kind in KINDS]


@click.group("plugins")
def command() -> None:
    """List, show and check plugins, and begin one of your own."""


@command.command("list")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only this kind.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_command(kind: str | None, as_json: bool) -> None:
    """Every plugin by its package metadata. Imports none of them."""
    rows = [(k.kind, k.name, k.dist, k.version) for each in ([kind] if kind else KINDS) for k in registry().known(each)]
    if as_json:
        print_json([dict(zip(("kind", "name", "distribution", "version"), row, strict=True)) for row in rows])
        return
    table(("kind", "name", "from", "version"), rows)
    for note in registry().notes():
        click.echo(f"note: {note}", err=True)


@command.command("show")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, options as JSON Schema.")
def show(kind: str, name: str, as_json: bool) -> None:
    """What a plugin is and which options it takes."""
    known = registry().find(kind, name)
    cls = registry().load(kind, name)
    about = " ".join(((cls.__doc__ if KINDS[kind] else cls.help) or "").split())
    facts = {"kind": kind, "name": known.name, "distribution": known.dist, "version": known.version,
             "source": known.source, "about": about}  # fmt: skip
    if as_json:
        print_json(facts | {"options": schema_of(cls) if KINDS[kind] else {}})
        return
    for key, value in facts.items():
        click.echo(f"{key}: {value}")
    if KINDS[kind] and options_of(cls):
        table(("option", "type", "default", "bounds", "what it does"), [_row(o) for o in options_of(cls).values()])


@command.command("new")
@click.argument("kind", type=click.Choice([*KINDS, *_SINGULAR]), metavar="KIND")
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write it; a folder NAME here if not given.")
def new(kind: str, name: str, folder: Path | None) -> None:
    """Write a package with a small plugin called NAME, which works and passes its tests unedited.

    KIND is one of transcriber, annotator, adapter, sampler, solver, backend, extension and command.
    """
    from acestep_core.cli import COMMANDS
    from acestep_core.scaffold import write_package

    made = write_package(kind, name, folder, COMMANDS)
    click.echo(f"{made.folder} holds the {made.kind[:-1]} '{made.name}'. Next:\n\n"
               f"  cd {shlex.quote(str(made.folder))}\n  pip install -e '.[test]'\n  pytest")  # fmt: skip


command.add_command(doctor)


def _row(o: Any) -> tuple[Any, ...]:
    words = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = " ".join(f"{words[k]} {v:g}" for k, v in o.bounds.items())
    default = "required" if o.required else "secret" if o.secret else o.default
    return (o.name, o.type_name(), default, bounds, o.help)
