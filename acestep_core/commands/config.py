"""acestep-core config template | check | explain | diff | presets | preset"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import PluginName, plugin_files
from acestep_core.commands.presets import list_command, preset_group
from acestep_core.commands.run_files import preset_option
from acestep_core.console import print_json, table
from acestep_core.errors import UserError
from acestep_core.files import write_text
from acestep_core.registry import registry
from acestep_core.run_file.checking import Checked, checked, problems
from acestep_core.run_file.places import NAME, PLUGINS
from acestep_core.run_file.presets import preset as preset_named
from acestep_core.run_file.reading import RunFile, read_run_file
from acestep_core.run_file.writing import BOUNDS, Explained, explained, template

set_choice = click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change what FILE says.")
json_choice = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


def plugin_names(only: bool) -> Any:
    """Adds --adapter, --sampler and --backend; with `only` they narrow down, else they have defaults."""

    def add(command: Any) -> Any:
        for section, (kind, name) in reversed(PLUGINS.items()):
            command = click.option(
                f"--{section}", type=PluginName(kind), metavar="NAME", default=None if only else name,
                show_default=not only, help=f"The {kind[:-1]} whose options are shown.",
            )(command)  # fmt: skip
        return command

    return add


@click.group("config")
def command() -> None:
    """Run files for `train --config`: write one, check it, look settings up, compare two; and presets."""


command.add_command(list_command)
command.add_command(preset_group)


@command.command("template")
@plugin_names(only=False)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write into this file instead of printing.")
@plugin_files
def template_command(out: Path | None, **names: str) -> None:
    """A run file with every setting, what it does, and its default."""
    text = template(names, registry())
    if out is None:
        click.echo(text, nl=False)
        return
    if out.exists():
        raise UserError(f"{out} is there already", "delete it, or give another name")
    write_text(out, text)
    click.echo(f"Written: {out}")


@command.command("check")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@preset_option(help="What FILE leaves open is taken from this preset.")
@set_choice
@json_choice
@plugin_files
def check(path: Path, preset: str | None, changes: tuple[str, ...], as_json: bool) -> None:
    """Tell everything wrong with a run file, with its line; of Kohya's names also what each means here.

    Loads no model. Exit code 1 if something is wrong.
    """
    file = read_run_file(path, changes, _below(preset))
    wrong = problems(file, registry())
    if as_json:
        rows = [{"name": r.name, "value": r.value, "here": r.here or None, "why": r.why or None} for r in file.rows]
        settings = None if wrong else checked(file, registry()).complete(registry())
        print_json({"problems": [e.as_plain() for e in wrong], "kohya": rows,
                    "notes": file.notes, "settings": settings})  # fmt: skip
    else:
        _tell(file, wrong)
    sys.exit(1 if wrong else 0)


def _tell(file: RunFile, wrong: list[UserError]) -> None:
    if file.rows:
        table(("Kohya's", "value", "here"),
              [(r.name, r.value, r.here or f"not used: {r.why}") for r in file.rows])  # fmt: skip
        click.echo("What the file leaves open has the defaults of this program, not Kohya's.")
    for note in file.notes:
        click.echo(f"note: {note}")
    for e in wrong:
        click.echo(f"Problem: {e.problem}" + (f" ({e.hint})" if e.hint else ""), err=True)
    if not wrong:
        told = ", ".join(f"{section} {file.plugin(section)}" for section in PLUGINS)
        click.echo(f"{file.path or file.label} is right: {len(file.settings)} settings, {told}")


@command.command("explain")
@click.argument("key")
@click.option("--config", "path", type=click.Path(path_type=Path), help="Say also what this run file makes of it.")
@preset_option(help="Say also what this preset makes of it.")
@set_choice
@plugin_names(only=True)
@json_choice
@plugin_files
def explain(key: str, path: Path | None, preset: str | None, changes: tuple[str, ...], as_json: bool,
            **names: str | None) -> None:  # fmt: skip
    """What KEY is: learning_rate, optimizer.learning_rate, adapter.rank, or a name of Kohya's such as seed.

    Its help, type, bounds and default, how the command line says it, and where the value of a run file comes from.
    """
    asked = {section: name for section, name in names.items() if name}
    file = read_run_file(path, changes, _below(preset)) if path or changes or preset else None
    if file is not None:
        asked = {section: file.plugin(section) for section in PLUGINS} | asked
    found = [e.as_dict() | _origin(e, file) for e in explained(key, asked, registry())]
    if as_json:
        print_json(found)
        return
    for place, about in enumerate(found):
        if place:
            click.echo()
        _describe(about)


def _below(name: str | None) -> RunFile | None:
    return preset_named(name).run_file() if name else None


def _origin(e: Explained, file: RunFile | None) -> dict[str, Any]:
    """The value in a run file and where it stands."""
    if file is None:
        return {}
    said = file.settings.get((e.section, e.key))
    return {"value": said.value, "from": said.where} if said else {"value": e.as_dict()["default"], "from": "default"}


def _describe(about: Mapping[str, Any]) -> None:
    of = f" of {about['plugin']}" if about["plugin"] else ""
    click.echo(f"{about['setting']}{of}: {about['help']}")
    bounds = [f"{BOUNDS[k]} {v:g}" for k, v in about["bounds"].items()]
    click.echo(f"  type          {', '.join([about['type'], *bounds])}")
    default = "open" if about["default"] is None else about["default"]
    click.echo(f"  default       {'none, it must be given' if about['required'] else default}")
    click.echo(f"  command line  {about['command_line']}")
    if about["kohya"]:
        click.echo(f"  Kohya's       {', '.join(about['kohya'])}")
    if "from" in about:
        click.echo(f"  value         {'open' if about['value'] is None else about['value']} ({about['from']})")


@command.command("diff")
@click.argument("first", type=click.Path(path_type=Path), metavar="A")
@click.argument("second", type=click.Path(path_type=Path), metavar="B")
@json_choice
@plugin_files
def diff(first: Path, second: Path, as_json: bool) -> None:
    """The settings in which two run files or runs differ, defaults counted."""
    a, b = (_complete(checked(read_run_file(path), registry())) for path in (first, second))
    differing = [key for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key)]
    if as_json:
        print_json({key: [a.get(key), b.get(key)] for key in differing})
    elif differing:
        table(("setting", str(first), str(second)), [(key, _cell(a, key), _cell(b, key)) for key in differing])
    else:
        click.echo("All settings are the same.")


def _complete(run_file: Checked) -> dict[str, Any]:
    """With the bare names of plugins: a run's own file says their distribution too."""
    whole = run_file.complete(registry())
    bare = {f"{section}.{NAME}" for section in PLUGINS}
    return {key: str(value).partition("@")[0] if key in bare else value for key, value in whole.items()}


def _cell(values: Mapping[str, Any], key: str) -> str:
    return "-" if key not in values else "open" if values[key] is None else str(values[key])
