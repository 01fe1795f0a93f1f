"""acestep-core kohya check, argv, toml, script and run"""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acestep_core import UserError, hookimpl

if TYPE_CHECKING:
    from acestep_kohya.call import Call


def _template_options(command: Any) -> Any:
    for added in (
        click.option("--set", "changes", multiple=True, metavar="KEY=VALUE",
                     help="Another value for one key; KEY= alone takes it out. May be repeated."),
        click.option("--script", help="Which script: train_network.py, or sdxl for sdxl_train_network.py."),
        click.option("--scripts", type=click.Path(path_type=Path),
                     help="The sd-scripts folder, whose arguments are read from its source."),
        click.argument("template", type=click.Path(path_type=Path), metavar="TEMPLATE.toml"),
    ):  # fmt: skip
        command = added(command)
    return command


_json = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
_env = click.option("--env", help="What runs the script: venv:FOLDER, conda:NAME or python:PROGRAM.")


@click.group("kohya")
def command() -> None:
    """Check the TOML of a whole training and start Kohya's sd-scripts with it.

    Every table of TEMPLATE.toml holds arguments of the script; [kohya] may say scripts, script, env, accelerate and
    equal_lr.
    """


@command.command("check")
@_template_options
@_json
def check(template: Path, scripts: Path | None, script: str | None, changes: tuple[str, ...], as_json: bool) -> None:
    """Show what becomes of every key, the images, and the steps; nothing is started.

    Exit code 1 if there is a problem.
    """
    from acestep_core.console import print_json
    from acestep_kohya.report import checked, problem_json, show, show_json

    try:
        call, found = checked(_call(template, scripts, script, changes))
    except UserError as e:
        if not as_json:
            raise
        print_json(problem_json(e))
        sys.exit(1)
    show_json(call, found) if as_json else show(call, found)
    sys.exit(1 if call.errors else 0)


@command.command("argv")
@_template_options
@_env
@_json
def argv(template: Path, scripts: Path | None, script: str | None, changes: tuple[str, ...], env: str | None,
         as_json: bool) -> None:  # fmt: skip
    """Print the command, ready for a shell; with --json as a list of words."""
    from acestep_core.console import print_json
    from acestep_kohya.writing import as_command

    words, first = _command(_right(_call(template, scripts, script, changes)), scripts, env)
    print_json(words) if as_json else click.echo(as_command(words, first))


@command.command("toml")
@_template_options
@click.option("-o", "--out", type=click.Path(path_type=Path), help="A file instead of the screen.")
def toml(template: Path, scripts: Path | None, script: str | None, changes: tuple[str, ...],
         out: Path | None) -> None:  # fmt: skip
    """Print a clean TOML for the script's --config_file, which itself checks and converts nothing."""
    from acestep_kohya.writing import as_toml

    _write(as_toml(_right(_call(template, scripts, script, changes), secrets=True)), out)


@command.command("script")
@_template_options
@_env
@click.option("-o", "--out", type=click.Path(path_type=Path), help="train.sh or train.py; else a .sh on the screen.")
def script_(template: Path, scripts: Path | None, script: str | None, changes: tuple[str, ...], env: str | None,
            out: Path | None) -> None:  # fmt: skip
    """Write a script that starts the training without acestep-core."""
    from acestep_kohya.writing import as_python_script, as_shell_script

    if out is not None and out.suffix not in (".sh", ".py"):
        raise UserError(f"{out} is no kind of script", "write -o train.sh or -o train.py")
    words, first = _command(_right(_call(template, scripts, script, changes)), scripts, env)
    is_python = out is not None and out.suffix == ".py"
    _write(as_python_script(words) if is_python else as_shell_script(words, first), out)
    if out is not None:
        out.chmod(out.stat().st_mode | 0o111)


@command.command("run")
@_template_options
@_env
@click.option("--overwrite", is_flag=True, help="Replace the file of an earlier run of this name.")
@_json
def run(template: Path, scripts: Path | None, script: str | None, changes: tuple[str, ...], env: str | None,
        overwrite: bool, as_json: bool) -> None:  # fmt: skip
    """Check as `check` does, then run the script and show its steps with the time left.

    Ctrl-C is handed on to it, and its exit code is ours. A record is kept beside its file, as NAME.run.json.
    """
    from acestep_kohya.report import checked, show_plan
    from acestep_kohya.starting import start

    call, found = checked(_call(template, scripts, script, changes))
    _right(call)
    show_plan(call, found, err=as_json)
    folder = _folder(call, scripts)
    if folder is None:
        raise UserError("It is not said where sd-scripts is", 'give --scripts FOLDER, or [kohya] scripts = "FOLDER"')
    words, _ = _command(call, scripts, env)
    sys.exit(start(call, words, folder, overwrite, as_json))


def _call(template: Path, scripts: Path | None, script: str | None, changes: tuple[str, ...]) -> "Call":
    """The call of a template with all rules applied; problems are in its `errors`."""
    from acestep_kohya.bundled import SCRIPT, bundled_schema
    from acestep_kohya.call import make_call, scripts_folder
    from acestep_kohya.rules import apply_rules
    from acestep_kohya.source import read_schema
    from acestep_kohya.template import read_template

    read = read_template(template, changes)
    folder = scripts_folder(read, scripts)
    name = script or read.own.get("script") or SCRIPT
    name = name if name.endswith(".py") else f"{name}_{SCRIPT}"
    call = make_call(read, read_schema(folder, name) if folder else bundled_schema(name))
    apply_rules(call)
    return call


def _right(call: "Call", secrets: bool = False) -> "Call":
    """The call, if nothing is wrong with it; its notes go to stderr."""
    from acestep_core.errors import raise_all
    from acestep_kohya.rules import secrets_in

    errors = [] if secrets else list(secrets_in(call))
    raise_all([*call.errors, *(e for e in errors if str(e) not in map(str, call.errors))], str(call.template.path))
    for note in call.notes:
        click.echo(f"note: {note}", err=True)
    return call


def _command(call: "Call", scripts: Path | None, env: str | None) -> tuple[list[str], int]:
    """(the whole command, how many of its words come before the script's own)."""
    from acestep_kohya.environment import launched, python_of

    folder = _folder(call, scripts)
    own = call.template.own
    if env or "env" in own:
        python = python_of(env, folder) if env else python_of(own["env"], folder, call.template.path.parent)
    else:
        python = ["python"] if folder is None else python_of(None, folder)
    first = launched(python, folder / call.schema.script if folder else call.schema.script, own.get("accelerate"))
    return [*first, *call.arguments()], len(first)


def _folder(call: "Call", scripts: Path | None) -> Path | None:
    from acestep_kohya.call import scripts_folder

    return scripts_folder(call.template, scripts)


def _write(text: str, out: Path | None) -> None:
    from acestep_core.files import write_text

    if out is None:
        click.echo(text, nl=False)
        return
    write_text(out, text)
    click.echo(f"{shlex.quote(str(out))} is written", err=True)


@hookimpl
def acestep_commands() -> list[Callable[..., Any]]:
    """The command of this package."""
    return [command]
