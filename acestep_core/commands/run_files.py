"""--preset, --config and --set of `train`: a run file's settings, between the settings file and the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from acestep_core.errors import UserError
from acestep_core.registry import registry
from acestep_core.run_file.checking import Checked, checked
from acestep_core.run_file.places import NAME, PLUGINS
from acestep_core.run_file.presets import preset, presets
from acestep_core.run_file.reading import left_out, options_left_out, read_run_file

_READ, _PRESET = "acestep_core.run_file", "acestep_core.preset"
_TYPED_ONLY = {"run_file": "--config", "changes": "--set", "preset": "--preset"}
LENGTHS = ("steps", "epochs")


class PresetName(click.ParamType):
    """The name of a preset, completed."""

    name = "preset"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(p.name, help=p.about) for p in presets()[0] if p.name.startswith(incomplete)]


def preset_option(**attributes: Any) -> Any:
    """Adds --preset NAME."""
    return click.option("--preset", type=PresetName(), metavar="NAME", **attributes)


class RunFileCommand(click.Command):
    """A command whose defaults come from the run file it is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            given = self.make_parser(ctx).parse_args(args=list(args))[0]
            _check_settings_file(ctx)
            if not given.get("help") and any(given.get(name) for name in _TYPED_ONLY):
                _read(ctx, given)
        return super().parse_args(ctx, args)


def run_file_choice(command: Any) -> Any:
    """Adds --preset NAME, --config FILE and --set SECTION.KEY=VALUE."""
    for added in (
        click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", expose_value=False,
                     help="Change what the run file says, such as adapter.rank=32; may be repeated."),
        click.option("--config", "run_file", type=click.Path(path_type=Path), expose_value=False,
                     help="Run file: a training in one TOML, or the folder of a run. See: config template."),
        preset_option(expose_value=False, help="How to train, by name: what --config and the command line leave open. "
                      "See: config presets."),
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
    return [f"{run_file.file.label}: {text}" for text in said]


def preset_record(ctx: click.Context) -> dict[str, Any] | None:
    """What run.toml says of the preset that was used."""
    return ctx.meta.get(_PRESET)


def one_length(ctx: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """Steps on the command line take the place of epochs that a file says, and the other way round."""
    source = {name: ctx.get_parameter_source(name) for name in LENGTHS}
    typed = [name for name in LENGTHS if source[name] is click.core.ParameterSource.COMMANDLINE]
    return given if len(typed) != 1 else {k: v for k, v in given.items() if k not in LENGTHS or k in typed}


def _check_settings_file(ctx: click.Context) -> None:
    for name, flag in _TYPED_ONLY.items():
        if name in (ctx.default_map or {}):
            raise UserError(f"[{ctx.info_name}] of the settings file has no key '{name}'", f"type {flag} instead")


def _read(ctx: click.Context, given: Mapping[str, Any]) -> None:
    for file in given.get("files") or ():  # plugins that the run file may name
        registry().add_file(Path(file))
    path, changes, below = given.get("run_file"), list(given.get("changes") or ()), None
    if given.get("preset"):
        found = preset(given["preset"])
        below = found.run_file()
        ctx.meta[_PRESET] = found.record(below)
        # Before what the person said themselves, so that a preset's options go with its plugins.
        changes = [f"{s}.{NAME}={given[s]}" for s in PLUGINS if given.get(s)] + changes
    run_file = checked(read_run_file(Path(path) if path else None, changes, below), registry())
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
