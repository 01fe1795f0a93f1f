"""Command-line options that derive from declarations: fields of settings, and options of chosen plugins."""

import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, get_args

import click

from acestep_core.codes import codes_given
from acestep_core.config import plugin_options
from acestep_core.errors import UserError, raise_all
from acestep_core.files import read_text
from acestep_core.model import Model
from acestep_core.options import Option, nearest, options_of, parse_options
from acestep_core.registry import Registry, registry
from acestep_core.scan import TxtMeaning
from acestep_core.tasks import TASKS, Task, Text2Music, task_named


class PluginName(click.ParamType):
    """The name of a plugin of one kind. Completed from package metadata, nothing is imported."""

    name = "plugin"

    def __init__(self, kind: str):
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        known = registry().known(self.kind)
        return [CompletionItem(k.name, help=k.dist) for k in known if k.name.startswith(incomplete)]


_FLAGS = (bool, bool | None)
_OWNER = "This command"  # of options that come from the command line or from its table in the settings file


def settings_options(cls: type, prefix: str = "", only: Collection[str] | None = None) -> Callable[[Any], Any]:
    """Adds one option per field of a settings class: learning_rate -> --learning-rate, duration_s -> --duration.

    With `only`, those fields alone.
    """

    def add(command: Any) -> Any:
        for o in reversed(options_of(cls).values()):
            if only is None or o.name in only:
                command = _click_option(dataclasses.replace(o, name=prefix + o.name))(command)
        return command

    return add


def made(cls: type, given: Mapping[str, Any], prefix: str = "") -> Any:
    """The settings object out of the command's values; all problems at once."""
    found = {k: given[prefix + k] for k in options_of(cls) if given.get(prefix + k) is not None}
    values, errors = parse_options(cls, found, _OWNER)
    raise_all(errors, _OWNER)
    return cls(**values)


def task_options(command: Any) -> Any:
    """Adds the fields of all tasks, each once; which task has one stands in its help."""
    owners: dict[str, list[str]] = {}
    declared: dict[str, Option] = {}
    for task in TASKS.values():
        for name, o in options_of(task).items():
            owners.setdefault(name, []).append(task.name)
            declared[name] = o
    for name, o in reversed(declared.items()):
        command = _click_option(dataclasses.replace(o, help=f"{', '.join(owners[name])}: {o.help}"))(command)
    return command


def made_task(name: str | None, given: Mapping[str, Any]) -> Task:
    """The task with its fields out of the command's values. An option of another task is told, never passed over."""
    kind = task_named(name or Text2Music.name)
    others = {n for task in TASKS.values() for n in options_of(task)} - set(options_of(kind))
    idle = [n.replace("_", "-") for n in sorted(others) if given.get(n) is not None]
    remedy = "leave it out, or say another --task"
    raise_all([UserError(f"--{n} does nothing: the task is {kind.name}", remedy) for n in idle], "The task")
    codes = {"codes": codes_given(given["codes"])} if given.get("codes") is not None else {}
    return made(kind, {**given, **codes})


def plugin_files(command: Any) -> Any:
    """Adds --plugin FILE.py."""
    return click.option(
        "--plugin", "files", multiple=True, type=click.Path(path_type=Path), is_eager=True,
        help="A Python file with plugins, for this command only.", callback=_add_files, expose_value=False,
    )(command)  # fmt: skip


def plugin_choices(command: Any) -> Any:
    """Adds -o KEY=VALUE and --plugin FILE.py."""
    command = plugin_files(command)
    return click.option(
        "-o", "--option", "pairs", multiple=True, metavar="KEY=VALUE",
        help="Option of a chosen plugin, such as rank=32 or adapter.rank=32. See: plugins show.",
    )(command)  # fmt: skip


def executor_choice(command: Any) -> Any:
    """Adds --executor NAME."""
    return click.option(
        "--executor", default="local", show_default=True, metavar="NAME", type=PluginName("executors"),
        help="Where the work is done: local is this process, ray a cluster. See: plugins list --kind executors.",
    )(command)  # fmt: skip


def extension_choice(command: Any) -> Any:
    """Adds --extension NAME."""
    return click.option(
        "--extension", "extensions", multiple=True, metavar="NAME", type=PluginName("extensions"),
        help="Extension plugin that takes part; may be repeated. See: plugins list --kind extensions.",
    )(command)  # fmt: skip


txt_choice = click.option(
    "--txt", type=click.Choice(get_args(TxtMeaning)), default="lyrics", show_default=True,
    help="What a bare {stem}.txt is: upstream calls it lyrics, Kohya caption; fields are 'key: value' lines.",
)  # fmt: skip


def variant_choices(command: Any) -> Any:
    """Adds --variant and --backend."""
    command = click.option(
        "--backend", default="pt", show_default=True, type=PluginName("backends"), metavar="NAME",
        help="Backend plugin that runs the model.",
    )(command)  # fmt: skip
    return click.option("--variant", help="Which model, when the folder holds several.")(command)


def model_choices(command: Any) -> Any:
    """Adds --model, --variant and --backend."""
    folder = click.option(
        "--model", type=click.Path(path_type=Path), required=True, help="Folder with the checkpoints."
    )  # fmt: skip
    return folder(variant_choices(command))


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


def split_out(pairs: Sequence[str], out: Path | None, default: Path | None) -> tuple[tuple[str, ...], Path | None]:
    """-o takes both a file to write and KEY=VALUE."""
    options = tuple(p for p in pairs if re.match(r"[A-Za-z_][\w.-]*=", p))
    files = [Path(p) for p in pairs if p not in options] + ([out] if out else [])
    if len(files) > 1:
        raise UserError(f"There are {len(files)} output files", "give one -o FILE")
    return options, files[0] if files else default


def extension_tables(names: Sequence[str], taken: Collection[str]) -> dict[str, tuple[str, str]]:
    """(kind, name) by table, which is the bare name, for `chosen_options`; `taken` are the tables of other plugins."""
    tables: dict[str, tuple[str, str]] = {}
    for name in dict.fromkeys(names):
        table = name.partition("@")[0]
        if table in taken or table in tables:
            hint = f"leave out the extension '{name}'"
            raise UserError(f"Two plugins of this command would both take -o {table}.KEY=VALUE", hint)
        tables[table] = ("extensions", name)
    return tables


@contextmanager
def taking_part(extensions: Mapping[str, Mapping[str, Any]], hooks: Collection[str], command: str) -> Iterator[None]:
    """Extensions (name -> options) hear the hooks of this block; they are closed at its end, whatever happens.

    Raises `UserError` for an extension that implements none of `hooks`.
    """
    with ExitStack() as stack:
        for name, options in extensions.items():
            extension = registry().activate(name, options)
            stack.callback(_end, extension, name)
            own = [caller.name for caller in registry().manager.get_hookcallers(extension) or ()]
            if not set(own) & set(hooks):
                hint = f"leave it out; its hooks are {', '.join(own)}" if own else "it implements no hook"
                raise UserError(f"The extension '{name}' does nothing in {command}", hint)
        yield


def _end(extension: Any, name: str) -> None:
    registry().manager.unregister(extension)
    try:
        extension.close()
    except Exception as e:  # isolation wall: what was made stays made
        click.echo(f"Extension {name} failed while it was closed: {type(e).__name__}: {e}", err=True)


def words_of_file(file: Path, words: str | None) -> str:
    """The lyrics in a file. Raises `UserError` where there are `words` besides."""
    if words:
        raise UserError("--lyrics and --lyrics-file say the same thing twice", "give one of them")
    try:
        return read_text(file).strip()
    except OSError as e:
        raise UserError(f"{file} cannot be read ({e.strerror})", "check the path") from e


def open_model(model: Path, variant: str | None, backend: str, options: Mapping[str, Any], **lm: Any) -> Model:
    """`lm` is the name of a language model and the backend that runs it, where there is one."""
    from acestep_core.model import load_backend

    return load_backend(backend, model=model, variant=variant, **lm, **options)


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
    names = [f"{flag}/--no-{flag[2:]}" if o.type in _FLAGS else flag, o.name]
    shown = o.help if o.default in (None, "") else f"{o.help}  [default: {o.default}]"
    bounds = [f"{'from' if k in ('ge', 'gt') else 'to'} {v:g}" for k, v in o.bounds.items() if abs(v) < 2**60]
    help = f"{shown}  [{' '.join(bounds)}]" if bounds else shown
    if o.type in _FLAGS:
        return click.option(*names, default=None, help=help)
    if o.plugin:
        return click.option(*names, type=PluginName(o.plugin), metavar="NAME", help=help)
    metavar = o.type_name().upper() if not o.choices else f"[{o.type_name()}]"
    kept = {"type": click.UNPROCESSED} if list in get_args(o.type) else {}  # a list of a run file stays one
    return click.option(*names, metavar=metavar, help=help, **kept)
