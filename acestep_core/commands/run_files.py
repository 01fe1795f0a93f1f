"""--config and --set of `train`: the settings of a run file, between the settings file and the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from acestep_core.registry import registry
from acestep_core.run_file.checking import Checked, checked
from acestep_core.run_file.places import PLUGINS
from acestep_core.run_file.reading import left_out, options_left_out, read_run_file

_READ = "acestep_core.run_file"
LENGTHS = ("steps", "epochs")


class RunFileCommand(click.Command):
    """A command whose defaults come from the run file it is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            given = self.make_parser(ctx).parse_args(args=list(args))[0]
            if not given.get("help") and (given.get("run_file") or given.get("changes")):
                _read(ctx, given)
        return super().parse_args(ctx, args)


def run_file_choice(command: Any) -> Any:
    """Adds --config FILE and --set SECTION.KEY=VALUE."""
    for added in (
        click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", expose_value=False,
                     help="Change what the run file says, such as adapter.rank=32; may be repeated."),
        click.option("--config", "run_file", type=click.Path(path_type=Path), expose_value=False,
                     help="Run file: a training in one TOML, or the folder of a run. See: config template."),
    ):  # fmt: skip
        command = added(command)
    return command


def remarks(ctx: click.Context, chosen: Mapping[str, str]) -> list[str]:
    """What of the run file is not used; `chosen` are the plugins by section."""
    run_file: Checked | None = ctx.meta.get(_READ)
    if run_file is None:
        return []
    said = list(run_file.file.notes)
    unused: dict[str, list[str]] = {}
    for row in run_file.file.rows:
        if not row.here:
            unused.setdefault(row.why, []).append(row.name)
    said += [f"not used, because {why}: {', '.join(names)}" for why, names in unused.items()]
    for section in PLUGINS:
        gone = options_left_out(run_file.file, section, chosen[section])
        said += [left_out(run_file.file, section, gone, chosen[section])] if gone else []
    return [f"{run_file.file.path.name if run_file.file.path else '--set'}: {text}" for text in said]


def one_length(ctx: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """Steps on the command line take the place of epochs that a file says, and the other way round."""
    source = {name: ctx.get_parameter_source(name) for name in LENGTHS}
    typed = [name for name in LENGTHS if source[name] is click.core.ParameterSource.COMMANDLINE]
    return given if len(typed) != 1 else {k: v for k, v in given.items() if k not in LENGTHS or k in typed}


def _read(ctx: click.Context, given: Mapping[str, Any]) -> None:
    for file in given.get("files") or ():  # plugins that the run file may name
        registry().add_file(Path(file))
    path = given.get("run_file")
    run_file = checked(read_run_file(Path(path) if path else None, given.get("changes") or ()), registry())
    ctx.meta[_READ] = run_file
    ctx.default_map = _defaults(ctx.default_map or {}, run_file.parameters())
    ctx.obj = _with_tables(ctx.obj or {}, run_file.plugin_tables())


def _defaults(before: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """A length in the run file takes the place of any in the settings file; what is left open is nobody's."""
    lengths: Sequence[str] = LENGTHS if any(said.get(name) is not None for name in LENGTHS) else ()
    kept = {k: v for k, v in before.items() if k not in said and k not in lengths}
    return kept | {k: v for k, v in said.items() if v is not None}


def _with_tables(config: Mapping[str, Any], tables: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    merged = dict(config)
    for (kind, name), own in tables.items():
        of_kind = dict(merged.get(kind) or {})
        of_kind[name] = {**(of_kind.get(name) or {}), **own}
        merged[kind] = of_kind
    return merged
