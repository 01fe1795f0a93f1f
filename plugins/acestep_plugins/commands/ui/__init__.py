"""acestep-core ui: the web page. What draws it is imported when it starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from acestep_core import hookimpl
from acestep_core.options import options_of
from acestep_plugins.commands.serve.settings import KEY_ENV, ServeSettings

PORT = 7860


@click.command("ui")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
              help="Where the page is served on this machine; 0 = any free port.")  # fmt: skip
@click.option("--server", metavar="URL", help="Work on this server (acestep-core serve) instead of one of its own.")
@click.option("--key", envvar=KEY_ENV, help=f"The key of that server; better in the environment, as {KEY_ENV}.")
@click.option("--models", type=click.Path(path_type=Path), help=options_of(ServeSettings)["models"].help)
@click.option("--root", "roots", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
              help="Where songs, runs and adapters may lie; may be repeated.  [default: here]")  # fmt: skip
@click.option("--state", type=click.Path(path_type=Path), metavar="DIR",
              help="Where jobs and their results are kept; the user's state folder unless given.")  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.pass_obj
def command(config: Mapping[str, Any] | None, port: int, server: str | None, key: str | None, models: Path | None,
            roots: tuple[Path, ...], state: Path | None, opens: bool) -> None:  # fmt: skip
    """Open a page in the browser to prepare songs, train and make music.

    The page is for this machine alone and asks nothing of any other one. What it does are jobs of a server, which it
    starts itself unless --server is given; they go on while the page is closed.
    """
    from acestep_plugins.commands.ui.starting import run

    settings = ServeSettings(roots=roots, models=models, state=state)
    run(port=port, server=server, key=key, settings=settings, config=config or {}, opens=opens)


@hookimpl
def acestep_commands() -> list[click.Command]:
    return [command]
