"""acestep-core serve"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from acestep_core import UserError, hookimpl
from acestep_core.errors import raise_all
from acestep_core.options import Option, options_of, parse_options
from acestep_plugins.commands.serve.settings import KEY_ENV, ServeSettings


def _flag(o: Option) -> Any:
    bounds = "".join(f"  [{'from' if k in ('ge', 'gt') else 'to'} {v:g}]" for k, v in o.bounds.items())
    default = f"  [default: {o.default}]" if o.default is not None else ""
    flag = "--" + o.name.removesuffix("_s").replace("_", "-")
    return click.option(flag, o.name, metavar=o.type_name().upper(), help=o.help + default + bounds)


def _flags(command: Any) -> Any:
    for o in reversed(options_of(ServeSettings).values()):
        command = _flag(o)(command)
    return command


@click.command("serve")
@_flags
@click.option("--root", "roots", multiple=True, type=click.Path(path_type=Path),
              help="Folder below which requests may name files; may be repeated.  [default: .]")  # fmt: skip
@click.option("--key", help=f"What clients have to show; better in the environment, as {KEY_ENV}.")
@click.option("--no-key", is_flag=True, help="Let in anybody who reaches the address.")
@click.pass_obj
def command(config: Mapping[str, Any] | None, roots: tuple[Path, ...], key: str | None, no_key: bool,
            **given: Any) -> None:  # fmt: skip
    """Serve the product over HTTP: jobs, models, adapters and files, for programs and for the page of `ui`.

    Jobs are kept on disk and go on where the server is started again. Ctrl-C ends it.
    """
    values, errors = parse_options(ServeSettings, {k: v for k, v in given.items() if v is not None}, "serve")
    raise_all(errors, "serve")
    key = os.environ.get(KEY_ENV) if key is None else key
    settings = ServeSettings(**values, roots=roots, key=key, no_key=no_key).checked()
    missing = [p for p in settings.roots if not p.is_dir()]
    if missing:
        raise UserError(f"There is no folder {missing[0]}", "give folders that are there with --root")
    try:
        from acestep_plugins.commands.serve.running import serve
    except ModuleNotFoundError as e:
        raise UserError(f"The server needs the package '{e.name}'", "pip install 'acestep-core[serve]'") from None
    click.echo(f"http://{settings.host}:{settings.port} serves {', '.join(map(str, settings.allowed))}; "
               f"jobs are kept in {settings.folder}", err=True)  # fmt: skip
    serve(settings, config or {})


@hookimpl
def acestep_commands() -> list[click.Command]:
    return [command]
