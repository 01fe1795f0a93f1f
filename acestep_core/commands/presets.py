"""acestep-core config presets, and config preset show | export | import | remove"""

import sys
from pathlib import Path

import click

from acestep_core.commands.choices import plugin_files
from acestep_core.commands.run_files import PresetName
from acestep_core.console import print_json, table
from acestep_core.errors import UserError
from acestep_core.files import write_text
from acestep_core.registry import registry
from acestep_core.run_file.presets import ENDING, import_preset, preset, presets, presets_folder, remove_preset

json_choice = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
name_argument = click.argument("name", type=PresetName())


@click.command("presets")
@json_choice
def list_command(as_json: bool) -> None:
    """Every preset with what it is for. Exit code 1 if one of yours cannot be read."""
    found, wrong = presets()
    if as_json:
        rows = [{"name": p.name, "about": p.about, "own": p.own, "path": p.path} for p in found]
        print_json({"presets": rows, "folder": presets_folder(), "problems": [str(e) for e in wrong]})
    else:
        table(("preset", "", "what it is for"), [(p.name, "yours" if p.own else "", p.about) for p in found])
    for e in wrong:
        click.echo(f"Problem: {e}", err=True)
    sys.exit(1 if wrong else 0)


@click.group("preset")
def preset_group() -> None:
    """Look at a preset, copy it into a file to change, and keep your own. `train --preset NAME` uses one."""


@preset_group.command("show")
@name_argument
@json_choice
def show(name: str, as_json: bool) -> None:
    """The preset as its file has it, with the reasons for its values."""
    found = preset(name)
    if as_json:
        said = found.record(found.run_file())
        print_json({**said, "about": found.about, "own": found.own, "path": found.path})
    else:
        click.echo(found.text.rstrip("\n"))


@preset_group.command("export")
@name_argument
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File to write.  [default: NAME.toml]")
def export(name: str, out: Path | None) -> None:
    """Copy a preset into a file: to change it, to give it away, or for `train --config`."""
    found = preset(name)
    target = Path(name + ENDING) if out is None else out
    if target.exists():
        raise UserError(f"{target} is there already", "delete it, or give another --out")
    write_text(target, found.text)
    click.echo(f"Written: {target}")


@preset_group.command("import")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--name", help="What to call it; otherwise as the file is called.")
@click.option("--replace", is_flag=True, help="Take the place of one of yours with that name.")
@plugin_files
def import_command(path: Path, name: str | None, replace: bool) -> None:
    """Keep a run file that says how to train (but not on what) as a preset of yours. It is checked first."""
    kept = import_preset(path, registry(), name, replace)
    click.echo(f"{kept.path}\nNow: acestep-core train ENCODED --preset {kept.name}")


@preset_group.command("remove")
@name_argument
def remove(name: str) -> None:
    """Delete a preset of yours."""
    click.echo(f"Deleted: {remove_preset(name)}")
