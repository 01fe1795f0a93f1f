"""Requests of jobs as typed settings: read from JSON strictly, told as JSON Schema, written back as JSON."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from acestep_core.config import plugin_options
from acestep_core.errors import UserError, raise_all
from acestep_core.items import task_of
from acestep_core.options import Option, as_dict, nearest, options_of, parse_options, schema_of
from acestep_core.registry import Registry
from acestep_core.request import GenerateRequest
from acestep_core.tasks import TASKS, Task, Text2Music
from acestep_plugins.commands.serve.places import Places, plugin_option

OPTIONS, TASK = "options", "task"
_MODEL, _VARIANT = "model", "variant"  # the first may hold the name of the bundled model, which says the second

_FILES = {n for cls in (GenerateRequest, *TASKS.values()) for n, o in options_of(cls).items()
          if o.type_name() == "path"}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What the request of a kind holds.

    The options of `flat` classes are its fields; `tables` are objects in it, `lists` lists of objects. `plugins` says
    for each table below 'options' of which kind of plugin it is, and by which field one is chosen.
    """

    flat: tuple[type, ...]
    tables: Mapping[str, type] = field(default_factory=dict)
    lists: Mapping[str, type] = field(default_factory=dict)
    plugins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    task: bool = False
    only: Mapping[type, Collection[str]] = field(default_factory=dict)
    """Of some classes just these fields."""

    def fields_of(self, cls: type) -> dict[str, Option]:
        return {n: o for n, o in options_of(cls).items() if n in self.only.get(cls, (n,))}

    @property
    def names(self) -> set[str]:
        own = {TASK} if self.task else set()
        own |= {OPTIONS} if self.plugins else set()
        return own | {*self.tables, *self.lists} | {n for cls in self.flat for n in self.fields_of(cls)}

    def of(self, name: str) -> type | None:
        """The flat class that has a field."""
        return next((cls for cls in self.flat if name in self.fields_of(cls)), None)


@dataclass(frozen=True)
class Asked:
    """A request that was read: `asked[EncodeSettings]` are the settings of that class."""

    shape: Shape
    parts: Mapping[type, Any]
    tables: Mapping[str, Any]
    lists: Mapping[str, list[Any]]
    options: Mapping[str, Mapping[str, Any]]
    task: Task | None

    def __getitem__(self, cls: type) -> Any:
        return self.parts[cls]

    def value(self, name: str) -> Any:
        """A field of whichever class has it; None where none does."""
        cls = self.shape.of(name)
        return None if cls is None else getattr(self.parts[cls], name)

    def having(self, **values: Any) -> "Asked":
        """With other values of flat fields."""
        parts = dict(self.parts)
        for name, value in values.items():
            cls = self.shape.of(name)
            parts[cls] = replace(parts[cls], **{name: value})
        return replace(self, parts=parts)

    def using(self, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The options of every chosen plugin: those of the settings file below those of the request."""
        return {table: {**plugin_options(config, kind, name), **self.options.get(table, {})}
                for table, (kind, name) in _chosen(self)}  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """As JSON that reads as the same; what is as by default is left out."""
        said = {n: v for part in self.parts.values() for n, v in _said(part).items()}
        said |= {n: _said(t) for n, t in self.tables.items() if _said(t)}
        said |= {n: [_said(one) for one in each] for n, each in self.lists.items() if each}
        said |= {OPTIONS: {n: dict(t) for n, t in self.options.items()}} if self.options else {}
        return said | ({TASK: {"name": self.task.name, **_said(self.task)}} if self.task else {})


def read(shape: Shape, given: Mapping[str, Any], owner: str, places: Places, plugins: Registry) -> Asked:
    """Raises `UserError` telling everything that is wrong; nothing is passed over."""
    errors = [UserError(f"{owner} has no field '{n}'", nearest(n, shape.names)) for n in given if n not in shape.names]

    def made(cls: type, said: Any, of: str) -> Any:
        if not isinstance(said, Mapping):
            errors.append(UserError(f"{of} is no object", 'write {"name": value}'))
            return None
        values, wrong = parse_options(cls, said, of)
        errors.extend(wrong)
        return None if wrong else _inside(cls(**values), places, errors)

    def tried(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except UserError as e:
            errors.append(e)

    parts = {c: made(c, {n: given[n] for n in shape.fields_of(c) if n in given}, owner) for c in shape.flat}
    tables = {n: made(c, given.get(n, {}), f"{owner}: {n}") for n, c in shape.tables.items()}
    lists = {n: [made(c, one, f"{owner}: {n}") for one in _items(given.get(n, []), n, errors)]
             for n, c in shape.lists.items()}  # fmt: skip
    task = tried(lambda: _task(given.get(TASK, Text2Music.name), owner, places, errors)) if shape.task else None
    raise_all(errors, owner)
    asked = Asked(shape, parts, tables, lists, {}, task)
    options = tried(lambda: _options(asked, given.get(OPTIONS, {}), owner, places, plugins, errors))
    raise_all(errors, owner)
    return replace(asked, options=options)


def schema(shape: Shape, plugins: Registry) -> dict[str, Any]:
    """JSON Schema of a request. `x-plugins` is the kind of plugin a field names, `examples` are those installed."""
    merged: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    for cls in shape.flat:
        own = schema_of(cls)
        for name, o in shape.fields_of(cls).items():
            known = [k.name for k in plugins.known(o.plugin)] if o.plugin else []
            named = {"x-plugins": o.plugin, "examples": known} if o.plugin else {}
            merged["properties"][name] = {**own["properties"][name], **named}
        merged["required"] += own["required"]
    for name, cls in shape.tables.items():
        merged["properties"][name] = {"description": _about(cls), **schema_of(cls)}
    for name, cls in shape.lists.items():
        merged["properties"][name] = {"type": "array", "description": _about(cls), "items": schema_of(cls)}
    if shape.plugins:
        merged["properties"][OPTIONS] = _options_schema(shape)
    if shape.task:
        merged["properties"][TASK] = {
            "description": "What to do.",
            "anyOf": [{"enum": [*TASKS]}, *map(_of_task, TASKS)],
        }
    return merged


def _of_task(name: str) -> dict[str, Any]:
    own = schema_of(TASKS[name])
    return {**own, "title": name, "description": _about(TASKS[name]), "required": ["name", *own["required"]],
            "properties": {"name": {"const": name}, **own["properties"]}}  # fmt: skip


def _options_schema(shape: Shape) -> dict[str, Any]:
    tables = {t: {"type": "object", "description": f"Options of the plugin that '{by}' names; see /v1/plugins/{kind}."}
              for t, (kind, by) in shape.plugins.items()}  # fmt: skip
    return {"type": "object", "description": "Options of plugins, by what they do.", "properties": tables}


def _about(cls: type) -> str:
    return " ".join((cls.__doc__ or "").split())


def _said(thing: Any) -> dict[str, Any]:
    plain, defaults = as_dict(thing), options_of(type(thing))
    return {n: v for n, v in plain.items() if defaults[n].required or getattr(thing, n) != defaults[n].default}


def _items(given: Any, name: str, errors: list[UserError]) -> list[Any]:
    if isinstance(given, list):
        return given
    errors.append(UserError(f"'{name}' is no list", f'write "{name}": [...]'))
    return []


def _task(about: Any, owner: str, places: Places, errors: list[UserError]) -> Task:
    return _inside(task_of({"name": about} if isinstance(about, str) else about, Path(), owner), places, errors)


def _options(
    asked: Asked, given: Any, owner: str, places: Places, plugins: Registry, errors: list[UserError]
) -> dict[str, dict[str, Any]]:
    if not isinstance(given, Mapping) or not all(isinstance(t, Mapping) for t in given.values()):
        raise UserError(f"{owner}: options is no object of objects", 'write {"solver": {"name": value}}')
    chosen = dict(_chosen(asked))
    errors += [UserError(f"{owner}: no chosen plugin reads the options '{t}'", nearest(t, chosen))
               for t in given if t not in chosen]  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    for table, (kind, name) in chosen.items():
        cls, said = plugins.load(kind, name), given.get(table, {})
        wrong = parse_options(cls, said, f"{kind[:-1]} '{name}'")[1]
        errors += [e for e in wrong if not e.problem.startswith(f"{kind[:-1]} '{name}' needs")]
        secret = [n for n in said if n in options_of(cls) and options_of(cls)[n].secret]
        errors += [UserError(f"The option '{n}' is secret and cannot be in a request", "write it into the server's "
                             "acestep.toml") for n in secret]  # fmt: skip
        if said:
            found[table] = {n: plugin_option(v, places) for n, v in said.items()}
    return found


def _chosen(asked: Asked) -> Iterator[tuple[str, tuple[str, str]]]:
    """(table, (kind of plugin, its name)) of all that are chosen; of several in one field each has its name's table."""
    for table, (kind, named_by) in asked.shape.plugins.items():
        names = asked.value(named_by)
        each = list(names) if isinstance(names, list | tuple) else [names] if names else []
        for name in each:
            yield (table if len(each) == 1 else name.partition("@")[0], (kind, name))


def _inside(thing: Any, places: Places, errors: list[UserError]) -> Any:
    """The settings with every path where it leads, if it may."""

    def tried(find: Callable[[Any], Any], path: Any, otherwise: Any) -> Any:
        try:
            return find(path)
        except UserError as e:
            errors.append(e)
            return otherwise

    def found(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(found(v) for v in value)
        if isinstance(value, Mapping):  # a prompt of a sample, whose own files are named as text
            return {k: str(tried(places.find, v, v)) if k in _FILES and isinstance(v, str) else found(v)
                    for k, v in value.items()}  # fmt: skip
        return tried(places.find, value, value) if isinstance(value, Path) else value

    said = {n: getattr(thing, n) for n in options_of(type(thing))}
    model = said.pop(_MODEL, None)
    values = {n: found(v) for n, v in said.items()}
    if model is not None:
        values[_MODEL], variant = tried(lambda m: places.model(m, values.get(_VARIANT)), model, (model, None))
        values |= {_VARIANT: variant} if _VARIANT in values else {}
    return replace(thing, **values)
