"""The `acestep-core` program. Commands are found by name and imported only when they run."""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import acestep_core
from acestep_core.console import errors_shown

# name -> (module, what --help says); a command's module is imported when it is used
COMMANDS = {
    "scan": ("scan", "Show what a folder of songs holds and what is wrong with it."),
    "lyrics": ("lyrics", "Show and write lyrics without the times in them."),
    "recode": ("recode", "Make text files of other encodings UTF-8."),
    "transcribe": ("transcribe", "Find the lyrics of the songs of a folder."),
    "annotate": ("annotate", "Find captions, tempo, key and more for the songs of a folder."),
    "review": ("review", "Look through what plugins gave: accept, correct, play; or as a spreadsheet."),
    "tags": ("tags", "Edit, count and check the tags in captions, with undo."),
    "dataset": ("dataset", "Save, load, check and export datasets."),
    "encode": ("encode", "Turn songs into training data."),
    "estimate": ("estimate", "Find which layers matter for encoded songs, and share out ranks by it."),
    "lr-find": ("lr_find", "Find a learning rate for encoded songs and an adapter."),
    "train": ("train", "Train an adapter on encoded songs."),
    "wizard": ("wizard", "Ask the few questions that a training needs, and write its command and run file."),
    "config": ("config", "Write, check, explain and compare run files, a training in one TOML; presets."),
    "generate": ("generate", "Make music, with or without adapters."),
    "adapters": ("adapters", "Show what adapter files hold."),
    "export": ("export", "Write an adapter for another program, or into a model."),
    "lm": ("lm", "Ask the 5 Hz language model: understand audio, create a song of a sentence, format."),
    "codes": ("codes", "Turn audio into the model's codes, and codes into audio."),
    "align": ("align", "Say when each line of lyrics is sung, as .lrc or .vtt."),
    "score": ("score", "Score clips by how they go with what was asked for."),
    "plot": ("plot", "Draw the waveform and the spectrogram of audio files."),
    "models": ("models", "List, show, download and make checkpoint folders."),
    "doctor": ("machine", "Find what is wrong with this machine, and what it is good for."),
    "runs": ("runs", "List trainings, show what is wrong with one, and compare them."),
    "report": ("report", "Make a page of a training: curves, samples to listen to, what is wrong with it."),
    "samplers": ("samplers", "Draw timestep samplers: their density and schedule."),
    "plugins": ("plugins", "List, show and check plugins, and begin one."),
    "demo": ("demo", "The whole way on the bundled songs: scan, encode, train, generate."),
}
# commands that come as plugins of this package, where they are installed
BUNDLED = {
    "serve": "Serve all of this over HTTP: jobs on disk, files, models, a client.",
    "ui": "Open a page in the browser to prepare songs, train and make music.",
}
# tables of the settings file that several commands read -> their keys
SHARED = {"backend": ("lm",)}
_OURS = "from acestep-core"


class LazyGroup(click.Group):
    """Our commands from the table above, other people's from package metadata."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *self._foreign()]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            return import_module(f"acestep_core.commands.{COMMANDS[name][0]}").command
        from acestep_core.registry import registry

        known = {k.name for k in registry().known("commands")}
        return registry().load("commands", name) if name.partition("@")[0] in known else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from acestep_core.options import nearest

        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f"There is no command '{name}'; {nearest(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            own = {name: text for name, (_, text) in COMMANDS.items()}
            formatter.write_dl([*(own | self._bundled()).items()])
        foreign = {name: text for name, text in self._foreign().items() if name not in self._bundled()}
        if foreign:
            with formatter.section("Commands of other packages"):
                formatter.write_dl(list(foreign.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """As click does it, but without importing every command to ask for its help."""
        from click.shell_completion import CompletionItem

        texts = {name: text for name, (_, text) in COMMANDS.items()} | self._foreign() | self._bundled()
        names = [CompletionItem(n, help=text) for n, text in texts.items() if n.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def _bundled(self) -> dict[str, str]:
        """Of the commands that come as plugins those of this package, by the name that is typed."""
        return {name: BUNDLED[name] for name, text in self._foreign().items() if name in BUNDLED and text == _OURS}

    def _foreign(self) -> dict[str, str]:
        """What to type -> where it is from; name@distribution where the name alone is not enough."""
        from acestep_core.registry import registry

        known = registry().known("commands")
        taken = Counter([*COMMANDS, *(k.name for k in known)])
        return {k.name if taken[k.name] == 1 else k.qualified: f"from {k.dist}" for k in known}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(acestep_core.__version__, prog_name="acestep-core")
@click.option("--no-third-party", is_flag=True, is_eager=True, expose_value=False, help="Load bundled plugins only.",
              callback=lambda ctx, option, given: given and _only_bundled())  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), help="Settings file; ./acestep.toml if there is one.")
@click.pass_context
def group(ctx: click.Context, config: Path | None) -> None:
    """Prepare songs, fine-tune adapters and make music with ACE-Step 1.5."""
    from acestep_core.config import load_config

    ctx.obj = load_config(config)
    ctx.default_map = {k: v for k, v in ctx.obj.items() if isinstance(v, dict)}
    _check_config(ctx)


def _only_bundled() -> None:
    from acestep_core.discovery import RESTRICT
    from acestep_core.registry import registry

    os.environ[RESTRICT] = ""
    registry.cache_clear()


def _check_config(ctx: click.Context) -> None:
    """What nothing would read in the settings file is an error: unknown tables, and keys of the used command's."""
    from acestep_core.api import KINDS
    from acestep_core.errors import UserError, raise_all
    from acestep_core.options import nearest

    if not ctx.obj:
        return
    places = {*COMMANDS, *KINDS, *SHARED}
    if not places.issuperset(ctx.obj):
        places |= {name.partition("@")[0] for name in ctx.command.list_commands(ctx)}
    wrong = [UserError(f"Nothing reads '{k}'", nearest(k, places)) for k in ctx.obj if k not in places]
    wrong += [UserError(f"'{k}' is no table", f"write [{k}]") for k in places & set(ctx.obj) - set(ctx.default_map)]
    for shared in SHARED.keys() & ctx.default_map.keys():
        known, given = SHARED[shared], ctx.default_map[shared]
        wrong += [UserError(f"[{shared}] has no key '{k}'", nearest(k, known)) for k in given if k not in known]
    name = ctx.invoked_subcommand
    if ctx.default_map.get(name):
        command, table = ctx.command.get_command(ctx, name), ctx.default_map[name]
        if name in KINDS:  # other keys are the names of plugins, as in [samplers.uniform]
            table = {k: v for k, v in table.items() if k in command.commands}
        wrong += _wrong_keys(command, table, name)
    raise_all(wrong, "The settings file")


def _wrong_keys(command: click.Command, table: Mapping[str, Any], place: str) -> Iterator[Any]:
    from acestep_core.errors import UserError
    from acestep_core.options import nearest

    inner = getattr(command, "commands", {})
    known = [*inner, *(p.name for p in command.params)]
    for key, value in table.items():
        if key in inner and isinstance(value, dict):
            yield from _wrong_keys(inner[key], value, f"{place}.{key}")
        elif key not in known:
            yield UserError(f"[{place}] has no key '{key}'", nearest(key, known))


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with errors_shown():
        group(prog_name="acestep-core")
