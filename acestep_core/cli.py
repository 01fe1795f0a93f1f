"""The `acestep-core` program. Commands are found by name and imported only when they run."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import acestep_core
from acestep_core.console import errors_shown

# name -> (module, what --help says); a command's module is imported when it is used
COMMANDS = {
    "scan": ("scan", "Show what a folder of songs holds and what is wrong with it."),
    "dataset": ("dataset", "Save, load and check dataset.json files."),
    "encode": ("encode", "Turn songs into training data."),
    "train": ("train", "Train an adapter on encoded songs."),
    "generate": ("generate", "Make music, with or without adapters."),
    "models": ("models", "List, show and make checkpoint folders."),
    "plugins": ("plugins", "List and show what is installed."),
    "demo": ("demo", "The whole way on the bundled songs: scan, encode, train, generate."),
}


class LazyGroup(click.Group):
    """Our commands from the table above, other people's from package metadata."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *self._foreign()]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            return import_module(f"acestep_core.commands.{COMMANDS[name][0]}").command
        from acestep_core.registry import registry

        return registry().load("commands", name) if name.partition("@")[0] in self._foreign() else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from acestep_core.options import nearest

        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f"There is no command '{name}'; {nearest(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        foreign = self._foreign()
        if foreign:
            with formatter.section("Commands of other packages"):
                formatter.write_dl([(name, f"from {dist}") for name, dist in foreign.items()])

    def _foreign(self) -> dict[str, str]:
        from acestep_core.registry import registry

        return {k.name: k.dist for k in registry().known("commands") if k.name not in COMMANDS}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(acestep_core.__version__, prog_name="acestep-core")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file; ./acestep.toml if there is one.")
@click.pass_context
def group(ctx: click.Context, config: Path | None) -> None:
    """Prepare songs, fine-tune adapters and make music with ACE-Step 1.5."""
    from acestep_core.config import load_config

    ctx.obj = load_config(config)
    ctx.default_map = {k: v for k, v in ctx.obj.items() if isinstance(v, dict)}
    _check_table(ctx)


def _check_table(ctx: click.Context) -> None:
    """A misspelt key of the used command's table in the settings file is an error."""
    from acestep_core.errors import UserError, raise_all
    from acestep_core.options import nearest

    name = ctx.invoked_subcommand
    table = ctx.obj.get(name, {})
    if name not in COMMANDS or not table:
        return
    known = [p.name for p in ctx.command.get_command(ctx, name).params]
    wrong = [UserError(f"[{name}] has no key '{k}'", nearest(k, known)) for k in table if k not in known]
    raise_all(wrong, "The settings file")


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with errors_shown():
        group(prog_name="acestep-core")
