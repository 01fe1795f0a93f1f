"""One value of a template as an argument takes it: converted where nothing is lost, refused otherwise."""

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from acestep_core import UserError
from acestep_core.options import nearest
from acestep_kohya.arguments import FLAG, LIST, NUMBER, STEPS, SWITCH, TEXT, WHOLE, Argument
from acestep_kohya.template import shown

_NEGATIVE = re.compile(r"-\d+|-\d*\.\d+")  # all that argparse takes for a number rather than a name
_NOTHING = ("", "none", "null")
_PAIRS = ("network_args", "optimizer_args", "lr_scheduler_args")
_PYTHON = ("optimizer_args", "lr_scheduler_args")  # their values are read as Python literals
_WANTED = {WHOLE: "a whole number", NUMBER: "a number", TEXT: "text", FLAG: "true or false",
           STEPS: "a number of steps, a share below 1, or a percentage such as '5%'"}  # fmt: skip


def is_nothing(value: Any) -> bool:
    """What means "not given": the scripts would take an empty text for a path, and fail on 'None'."""
    return value is None or value in ([], {}) or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def normal(argument: Argument, value: Any) -> Any:
    """The value with the type that the argument has: bool, int, float, str, or a list of these.

    Raises `UserError` that says what it must be.
    """
    if argument.kind in (FLAG, SWITCH):
        return _truth(argument, value)
    if argument.kind == LIST:
        return _list(argument, value)
    if isinstance(value, list):
        if argument.type != TEXT or any(isinstance(v, list | dict | bool) for v in value):
            raise _refused(argument, value)
        return ",".join(map(str, value))  # resolution = [512, 512]
    return _one(argument, value)


def words(argument: Argument, value: Any) -> list[str]:
    """What stands on the command line for a value that is `normal`; empty if it needs nothing there.

    The name is always whole and its value joined with "=": shortened names can be ambiguous, and a value that begins
    with "-" would be taken for a name.
    """
    if argument.kind == FLAG:
        return [argument.option] if value is argument.on else []
    if argument.kind == SWITCH:
        return [argument.option if value else argument.off]
    if argument.kind == LIST:
        return [f"{argument.option}={_text(value[0])}"] if len(value) == 1 else [argument.option, *map(_text, value)]
    return [f"{argument.option}={_text(value)}"]


def _truth(argument: Argument, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _refused(argument, value, FLAG)


def _one(argument: Argument, value: Any) -> Any:
    if isinstance(value, bool | list | dict):
        raise _refused(argument, value)
    found = _READ[argument.type](value)
    if found is None:
        raise _refused(argument, value)
    if argument.choices and found not in argument.choices:
        raise UserError(f"{argument.name} = {shown(value)} is none of {', '.join(map(str, argument.choices))}",
                        nearest(str(found), map(str, argument.choices)))  # fmt: skip
    return found


def _list(argument: Argument, value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        value = [f"{k}={v}" for k, v in value.items()]  # True and False as Python has them, which is who reads them
    values = [_one(argument, v) for v in (value if isinstance(value, list) else [value])]
    if argument.count is not None and len(values) != argument.count:
        raise UserError(f"{argument.name} has {len(values)} values", f"give {argument.count}")
    for text in values if argument.name in _PAIRS else ():
        _check_pair(argument.name, text)
    begins = [t for t in map(_text, values) if t.startswith("-") and not _NEGATIVE.fullmatch(t)]
    if begins and len(values) > 1:
        raise UserError(f"{argument.name}: '{begins[0]}' would be taken for the name of an argument", "take it out")
    return values


def _check_pair(name: str, text: str) -> None:
    key, _, value = text.partition("=")
    if not key or text.count("=") != 1:
        raise UserError(f"{name}: '{text}' is no KEY=VALUE", f'write {name} = ["weight_decay=0.01"]')
    if name in _PYTHON:
        try:
            ast.literal_eval(value)
        except (ValueError, SyntaxError):
            remedy = value.title() if value in ("true", "false") else f'\\"{value}\\"'
            raise UserError(f"{name}: {value} in '{text}' is read as Python and is none",
                            f"write {key}={remedy}") from None  # fmt: skip


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _number(value: Any) -> float | int | None:
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _steps(value: Any) -> int | float | None:
    percent = isinstance(value, str) and value.strip().endswith("%")
    number = _number(value.strip()[:-1] if percent else value)
    if number is None or number < 0:
        return None
    if percent:
        return number / 100 if number < 100 else None
    return int(number) if number == int(number) else number if number < 1 else None


_READ: Mapping[str, Callable[[Any], Any]] = {WHOLE: _whole, NUMBER: _number, STEPS: _steps, TEXT: str}


def _refused(argument: Argument, value: Any, wanted: str = "") -> UserError:
    asked = wanted or argument.type
    hint = {FLAG: "write true or false", WHOLE: "write it without quotes: 15", NUMBER: "write it without quotes: 1e-4"}
    return UserError(f"{argument.name} = {shown(value)} must be {_WANTED[asked]}", hint.get(asked, ""))


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
