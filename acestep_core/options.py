"""Options of plugins, settings and requests: declared once as dataclass fields, everything else derives from them.

The command line (`-o rank=32`), TOML tables, JSON Schema, help and logs all read the same declaration.
"""

import difflib
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from acestep_core.errors import UserError

_META = "acestep_option"
SECRET = "********"


def option(
    default: Any = MISSING,
    help: str = "",
    *,
    ge: float | None = None,
    le: float | None = None,
    gt: float | None = None,
    lt: float | None = None,
    secret: bool = False,
) -> Any:
    """A dataclass field that is an option: bounds are checked, `secret` values never reach files, logs or repr."""
    meta = {_META: {"help": help, "ge": ge, "le": le, "gt": gt, "lt": lt, "secret": secret}}
    if isinstance(default, list | dict | set):
        return field(default_factory=lambda: type(default)(default), metadata=meta)
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class Option:
    """One declared option, ready for help, schema and parsing."""

    name: str
    type: Any
    default: Any
    help: str
    bounds: Mapping[str, float]
    secret: bool

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def choices(self) -> tuple[Any, ...]:
        for part in _alternatives(self.type):
            if typing.get_origin(part) is Literal:
                return typing.get_args(part)
        return ()

    def type_name(self) -> str:
        if self.choices:
            return "|".join(map(str, self.choices))
        return "|".join(_plain_name(t) for t in _alternatives(self.type))


def options_of(cls: type) -> dict[str, Option]:
    """The options a class declares, in order. Fields made without `option()` are internal and left out."""
    hints = typing.get_type_hints(cls)
    return {f.name: _option(f, hints[f.name]) for f in fields(cls) if _META in f.metadata}


def parse_options(cls: type, given: Mapping[str, Any], owner: str) -> tuple[dict[str, Any], list[UserError]]:
    """Values for `cls` out of text or typed values, and every problem found; `owner` names the class in messages."""
    declared, values, errors = options_of(cls), {}, []
    for key, raw in given.items():
        name = key.replace("-", "_")
        if name not in declared:
            errors.append(UserError(f"{owner} has no option '{key}'", nearest(name, declared)))
            continue
        try:
            values[name] = _checked(declared[name], raw)
        except ValueError as e:
            errors.append(UserError(f"{owner}: option '{name}' {e}"))
    missing = [o.name for o in declared.values() if o.required and o.name not in values]
    errors += [UserError(f"{owner} needs the option '{n}'", f"add {n}=VALUE") for n in missing if n not in given]
    return values, errors


def check_values(thing: Any, owner: str) -> list[UserError]:
    """Problems of an object made directly in Python, by the same rules as text from the command line."""
    errors = []
    for o in options_of(type(thing)).values():
        try:
            _checked(o, getattr(thing, o.name))
        except ValueError as e:
            errors.append(UserError(f"{owner}: option '{o.name}' {e}"))
    return errors


def schema_of(cls: type) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the options of a class, for forms and validation."""
    properties = {o.name: _schema(o) for o in options_of(cls).values()}
    required = [o.name for o in options_of(cls).values() if o.required]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def as_dict(thing: Any) -> dict[str, Any]:
    """Option values as plain JSON types; secrets are masked."""
    shown = {}
    for o in options_of(type(thing)).values():
        value = getattr(thing, o.name)
        masked = o.secret and value not in (None, "")
        shown[o.name] = SECRET if masked else _plain(value)
    return shown


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the closest known name, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.55)
    if close:
        return f"did you mean '{close[0]}'?"
    return "known: " + ", ".join(names) if names else "it has none"


def _option(f: Field, hint: Any) -> Option:
    meta = f.metadata[_META]
    default = f.default_factory() if f.default_factory is not MISSING else f.default
    bounds = {k: meta[k] for k in ("ge", "le", "gt", "lt") if meta[k] is not None}
    return Option(f.name, hint, default, meta["help"], bounds, meta["secret"])


def _alternatives(hint: Any) -> list[Any]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return [t for t in typing.get_args(hint) if t is not type(None)]
    return [hint]


def _optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint) and typing.get_origin(hint) is not Literal


def _plain_name(hint: Any) -> str:
    if typing.get_origin(hint) in (list, tuple):
        return f"list of {_plain_name(typing.get_args(hint)[0])}"
    return getattr(hint, "__name__", str(hint)).lower()


def _checked(o: Option, raw: Any) -> Any:
    if raw is None or (isinstance(raw, str) and raw.lower() == "none" and _optional(o.type)):
        if _optional(o.type):
            return None
        raise ValueError(f"must be {o.type_name()}, not none")
    value = _converted(o, raw)
    for v in value if isinstance(value, list | tuple) else [value]:
        _check_bounds(v, o.bounds)
    return value


def _converted(o: Option, raw: Any) -> Any:
    for hint in _alternatives(o.type):
        try:
            return _convert(hint, raw)
        except (ValueError, TypeError):
            continue
    hint = f"; {nearest(str(raw), map(str, o.choices))}" if o.choices else ""
    raise ValueError(f"must be {o.type_name()}, not {raw!r}{hint}")


def _convert(hint: Any, raw: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is Literal:
        return _choice(typing.get_args(hint), raw)
    if origin in (list, tuple):
        parts = [p.strip() for p in raw.split(",") if p.strip()] if isinstance(raw, str) else list(raw)
        return origin(_convert(typing.get_args(hint)[0], p) for p in parts)
    if hint is bool:
        return _boolean(raw)
    if hint in (int, float):
        return _number(hint, raw)
    if hint is Path:
        return Path(raw)
    if hint is str and isinstance(raw, str | int | float):
        return str(raw)
    if hint is Any or isinstance(raw, hint):
        return raw
    raise ValueError


def _choice(choices: tuple[Any, ...], raw: Any) -> Any:
    for c in choices:
        if str(c) == str(raw):
            return c
    raise ValueError


def _boolean(raw: Any) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if isinstance(raw, bool):
        return raw
    return words[raw.lower()] if isinstance(raw, str) and raw.lower() in words else _fail()


def _number(kind: type, raw: Any) -> Any:
    if isinstance(raw, bool):
        _fail()
    value = float(raw)
    if not math.isfinite(value) or (kind is int and value != int(value)):
        _fail()
    return kind(raw) if isinstance(raw, int) or kind is float else int(value)


def _fail() -> Any:
    raise ValueError


def _check_bounds(value: Any, bounds: Mapping[str, float]) -> None:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    held = {"ge": lambda v, b: v >= b, "gt": lambda v, b: v > b, "le": lambda v, b: v <= b, "lt": lambda v, b: v < b}
    for key, bound in bounds.items():
        if isinstance(value, int | float) and not held[key](value, bound):
            raise ValueError(f"must be {words[key]} {bound:g}, not {value:g}")


def _schema(o: Option) -> dict[str, Any]:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}
    names = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
    hint = _alternatives(o.type)[0]
    shown: dict[str, Any] = {"description": o.help}
    if o.choices:
        shown["enum"] = list(o.choices) + ([None] if _optional(o.type) else [])
    elif typing.get_origin(hint) in (list, tuple):
        shown |= {"type": "array", "items": {"type": kinds.get(typing.get_args(hint)[0], "string")}}
    else:
        shown["type"] = [kinds.get(hint, "string"), "null"] if _optional(o.type) else kinds.get(hint, "string")
    shown |= {names[k]: v for k, v in o.bounds.items()}
    if not o.required:
        shown["default"] = _plain(o.default)
    return shown | ({"writeOnly": True} if o.secret else {})


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    json.dumps(value)
    return value
