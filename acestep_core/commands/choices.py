"""Command-line options that derive from declarations: fields of settings, and options of chosen plugins."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from acestep_core.config import plugin_options
from acestep_core.errors import UserError, raise_all
from acestep_core.model import Model
from acestep_core.options import Option, nearest, options_of, parse_options
from acestep_core.registry import Registry, registry


def settings_options(cls: type) -> Callable[[Any], Any]:
    """Adds one option per field of a settings class: learning_rate -> --learning-rate, duration_s -> --duration."""

    def add(command: Any) -> Any:
        for o in reversed(options_of(cls).values()):
            command = _click_option(o)(command)
        return command

    return add


def made(cls: type, given: Mapping[str, Any]) -> Any:
    """The settings object out of the command's values; all problems at once."""
    values, errors = parse_options(cls, {k: given[k] for k in options_of(cls) if given.get(k) is not None}, "it")
    raise_all(errors, "The command line")
    return cls(**values)


def plugin_choices(command: Any) -> Any:
    """Adds -o KEY=VALUE and --plugin FILE.py."""
    command = click.option(
        "--plugin", "files", multiple=True, type=click.Path(path_type=Path), is_eager=True,
        help="A Python file with plugins, for this command only.", callback=_add_files, expose_value=False,
    )(command)  # fmt: skip
    return click.option(
        "-o", "--option", "pairs", multiple=True, metavar="KEY=VALUE",
        help="Option of a chosen plugin, such as rank=32 or adapter.rank=32. See: plugins show.",
    )(command)  # fmt: skip


def model_choices(command: Any) -> Any:
    """Adds --model, --variant and --backend."""
    for added in (
        click.option("--backend", default="pt", show_default=True, help="Backend plugin that runs the model."),
        click.option("--variant", help="Which model, when the folder holds several."),
        click.option("--model", type=click.Path(path_type=Path), required=True, help="Folder with the checkpoints."),
    ):
        command = added(command)
    return command


def chosen_options(
    pairs: Sequence[str], config: Mapping[str, Any], plugins: Registry, chosen: Mapping[str, tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """Options per table out of the settings file and `-o`; `chosen` maps table -> (kind, plugin name)."""
    classes = {table: plugins.load(kind, name) for table, (kind, name) in chosen.items()}
    tables = {table: plugin_options(config, kind, name) for table, (kind, name) in chosen.items()}
    errors = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        try:
            table, name = _place(key.strip(), classes) if equals else _fail(pair)
            tables[table][name] = value
        except UserError as e:
            errors.append(e)
    for table, (kind, name) in chosen.items():
        errors += parse_options(classes[table], tables[table], f"{kind[:-1]} '{name}'")[1]
    raise_all(errors, "The command line")
    return tables


def open_model(model: Path, variant: str | None, backend: str, options: Mapping[str, Any]) -> Model:
    from acestep_core.model import load_backend

    return load_backend(backend, model=model, variant=variant, **options)


def _place(key: str, classes: Mapping[str, type]) -> tuple[str, str]:
    """(table, option) meant by `rank` or `adapter.rank`."""
    table, dot, name = key.rpartition(".")
    if dot:
        if table not in classes:
            raise UserError(f"-o {key}: there is no '{table}' here", nearest(table, classes))
        return table, name
    name = key.replace("-", "_")
    owners = [t for t, cls in classes.items() if name in options_of(cls)]
    if len(owners) == 1:
        return owners[0], name
    if owners:
        raise UserError(f"-o {key} is meant for {' or '.join(owners)}", f"say which: {owners[0]}.{key}=...")
    raise UserError(f"-o {key}: no chosen plugin has that option",
                    nearest(name, [f for cls in classes.values() for f in options_of(cls)]))  # fmt: skip


def _fail(pair: str) -> Any:
    raise UserError(f"-o {pair} has no value", f"write -o {pair}=VALUE")


def _add_files(ctx: click.Context, parameter: click.Parameter, files: Sequence[Path]) -> None:
    for path in files:
        registry().add_file(path)


def _click_option(o: Option) -> Callable[[Any], Any]:
    flag = "--" + o.name.removesuffix("_s").replace("_", "-")
    names = [f"{flag}/--no-{flag[2:]}" if o.type is bool else flag, o.name]
    shown = o.help if o.default in (None, "") else f"{o.help}  [default: {o.default}]"
    bounds = [f"{'from' if k in ('ge', 'gt') else 'to'} {v:g}" for k, v in o.bounds.items() if abs(v) < 2**60]
    help = f"{shown}  [{' '.join(bounds)}]" if bounds else shown
    if o.type is bool:
        return click.option(*names, default=None, help=help)
    return click.option(*names, metavar=o.type_name().upper() if not o.choices else f"[{o.type_name()}]", help=help)
