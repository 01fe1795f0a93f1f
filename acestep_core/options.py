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
    plugin: str = "",
) -> Any:
    """A dataclass field that is an option: bounds are checked, `secret` values never reach files, logs or repr.

    `plugin` is the kind of which the value is a name, for completion.
    """
    meta = {_META: {"help": help, "ge": ge, "le": le, "gt": gt, "lt": lt, "secret": secret, "plugin": plugin}}
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
    plugin: str

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def choices(self) -> tuple[Any, ...]:
        """All that it may be; none where other values are allowed beside words, as with `float | Literal["auto"]`."""
        kinds = _alternatives(self.type)
        if len(kinds) == 1 and typing.get_origin(kinds[0]) is Literal:
            return typing.get_args(kinds[0])
        return ()

    def type_name(self) -> str:
        if self.choices:
            return "|".join(map(str, self.choices))
        return "|".join(_plain_name(t) for t in _alternatives(self.type))


def options_of(cls: type) -> dict[str, Option]:
    """The options a class declares, in order. Fields made without `option()` are internal and left out."""
    return {f.name: _option(f, _hint(cls, f)) for f in fields(cls) if _META in f.metadata}


def parse_options(cls: type, given: Mapping[str, Any], owner: str) -> tuple[dict[str, Any], list[UserError]]:
    """Values for `cls` out of text or typed values, and every problem found; `owner` names the class in messages."""
    declared, values, errors = options_of(cls), {}, []
    for key, raw in given.items():
        name = key.replace("-", "_")
        if name not in declared:
            errors.append(UserError(f"{owner} has no option '{key}'", nearest(name, declared)))
            continue
        try:
            values[name] = checked_value(declared[name], raw)
        except ValueError as e:
            errors.append(UserError(f"{owner}: option '{name}' {e}"))
    tried = {key.replace("-", "_") for key in given}
    missing = [o.name for o in declared.values() if o.required and o.name not in tried]
    errors += [UserError(f"{owner} needs the option '{n}'", f"add {n}=VALUE") for n in missing]
    return values, errors


def check_values(thing: Any, owner: str) -> list[UserError]:
    """Problems of an object made directly in Python, by the same rules as text from the command line.

    Values are brought into their declared types, so that Lora(rank="8") has a number.
    """
    errors = []
    for o in options_of(type(thing)).values():
        try:
            object.__setattr__(thing, o.name, checked_value(o, getattr(thing, o.name)))
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
    return Option(f.name, hint, default, meta["help"], bounds, meta["secret"], meta["plugin"])


def _hint(cls: type, f: Field) -> Any:
    """The type of one option. Others are left alone: they may name what is imported for type checkers only."""
    owner = next(c for c in reversed(cls.__mro__) if vars(c).get("__dataclass_fields__", {}).get(f.name) is f)
    alone = type(owner.__name__, (), {"__annotations__": {f.name: f.type}, "__module__": owner.__module__})
    return typing.get_type_hints(alone, localns=dict(vars(owner)))[f.name]


def _alternatives(hint: Any) -> list[Any]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return [t for t in typing.get_args(hint) if t is not type(None)]
    return [hint]


def _optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint) and typing.get_origin(hint) is not Literal


def _plain_name(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return "|".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (list, tuple):
        return f"list of {_plain_name(typing.get_args(hint)[0])}"
    return getattr(hint, "__name__", str(hint)).lower()


def checked_value(o: Option, raw: Any) -> Any:
    """The value in its declared type. Raises `ValueError` that says what it must be."""
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
        except (ValueError, TypeError, OverflowError):
            continue
    hint = f"; {nearest(str(raw), map(str, o.choices))}" if o.choices else ""
    raise ValueError(f"must be {o.type_name()}, not {SECRET if o.secret else repr(raw)}{hint}")


def _convert(hint: Any, raw: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is Literal:
        return _choice(typing.get_args(hint), raw)
    if origin in (list, tuple):
        return origin(_items(typing.get_args(hint), raw))
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


def _items(kinds: tuple[Any, ...], raw: Any) -> list[Any]:
    parts = [p.strip() for p in raw.split(",") if p.strip()] if isinstance(raw, str) else raw
    if not isinstance(parts, list | tuple):
        _fail()
    each = kinds if len(kinds) > 1 and ... not in kinds else kinds[:1] * len(parts)
    return [_convert(kind, part) for kind, part in zip(each, parts, strict=True)]


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
    if kind is int and isinstance(raw, str) and raw.strip().lstrip("+-").isdecimal():
        raw = int(raw)  # not by way of a float, which cannot hold every seed
    value = raw if kind is int and isinstance(raw, int) else float(raw)
    if not math.isfinite(value) or (kind is int and value != int(value)):
        _fail()
    return kind(value)


def _fail() -> Any:
    raise ValueError


def _check_bounds(value: Any, bounds: Mapping[str, float]) -> None:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    held = {"ge": lambda v, b: v >= b, "gt": lambda v, b: v > b, "le": lambda v, b: v <= b, "lt": lambda v, b: v < b}
    for key, bound in bounds.items():
        if isinstance(value, int | float) and not held[key](value, bound):
            raise ValueError(f"must be {words[key]} {bound:g}, not {value}")


_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string", list: "array",
               dict: "object"}  # fmt: skip
_JSON_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def _schema(o: Option) -> dict[str, Any]:
    bounds = {_JSON_BOUNDS[k]: v for k, v in o.bounds.items()}
    kinds = [_type_schema(t, bounds) for t in _alternatives(o.type)] + [{"type": "null"}] * _optional(o.type)
    shown = {"description": o.help} | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
    if o.secret:
        return shown | {"writeOnly": True}
    return shown if o.required else shown | {"default": _plain(o.default)}


def _type_schema(hint: Any, bounds: Mapping[str, float]) -> dict[str, Any]:
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return {"enum": list(inner)}
    if typing.get_origin(hint) not in (list, tuple):
        plain = typing.get_origin(hint) or hint
        kind = {"type": _JSON_TYPES[plain]} if plain in _JSON_TYPES else {}
        return kind | (dict(bounds) if plain in (int, float) else {})
    if len(inner) > 1 and ... not in inner:
        each = [_type_schema(t, bounds) for t in inner]
        return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}
    return {"type": "array", "items": _type_schema(inner[0], bounds)}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    json.dumps(value)
    return value
