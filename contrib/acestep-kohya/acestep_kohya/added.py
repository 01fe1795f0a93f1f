"""One `add_argument` call, as an `Argument`."""

import ast
from collections.abc import Callable
from typing import Any

from acestep_kohya.arguments import FLAG, LIST, NUMBER, ONE, REPLACED, STEPS, SWITCH, TEXT, WHOLE, Argument


class _Mark:
    def __init__(self, name: str):
        self._name = name

    def __repr__(self) -> str:
        return self._name


UNKNOWN: Any = _Mark("UNKNOWN")
"""What cannot be known without running the script."""
PARSER: Any = _Mark("PARSER")
"""Stands for the argument parser wherever a name means it."""

_TYPES = {"int": WHOLE, "float": NUMBER, "str": TEXT, "int_or_float": STEPS}
_FLAG_ACTIONS = {"store_true": True, "store_false": False}
_OBSOLETE = ("deprecated", "backward compat", "obsolete", "no longer used")


def argument_of(call: ast.Call, value: Callable[[ast.expr | None], Any]) -> Argument | None:
    """What the call adds; None if its name cannot be known, or it is no option."""
    options = [value(a) for a in call.args]
    words = {k.arg: k.value for k in call.keywords if k.arg}
    if not options or any(not isinstance(o, str) or not o.startswith("-") for o in options):
        return None
    option = next((o for o in options if o.startswith("--")), options[0])
    dest = value(words.get("dest"))
    name = dest if isinstance(dest, str) else option.lstrip("-").replace("-", "_")
    kind, on, count = _kind(words, value)
    choices = value(words.get("choices"))
    default = value(words.get("default"))
    return Argument(
        name, option, kind,
        type=_type(words.get("type")),
        choices=tuple(c for c in choices if c is not None) if isinstance(choices, list) else (),
        default=(not on if kind == FLAG else None) if default is UNKNOWN else default,
        count=count, on=on, off=f"--no-{option[2:]}" if kind == SWITCH else "",
        required=value(words.get("required")) is True,
        deprecated=_deprecated(name, words, value),
    )  # fmt: skip


def _kind(words: dict[str, ast.expr], value: Callable[[ast.expr | None], Any]) -> tuple[str, bool, int | None]:
    """(kind, the value that puts a flag on the command line, number of values)."""
    action = words.get("action")
    if action is not None and "BooleanOptionalAction" in ast.unparse(action):
        return SWITCH, True, None
    named = value(action) if action is not None else None
    if named in _FLAG_ACTIONS:
        return FLAG, _FLAG_ACTIONS[named], None
    nargs = value(words.get("nargs"))
    if isinstance(nargs, int):
        return LIST, True, nargs
    return (LIST if nargs in ("*", "+") or named in ("append", "extend") else ONE), True, None


def _type(node: ast.expr | None) -> str:
    """Types that are functions of the script take any text, and say themselves what is wrong with it."""
    if node is None:
        return TEXT
    return _TYPES.get(ast.unparse(node).rpartition(".")[2], TEXT)


def _deprecated(name: str, words: dict[str, ast.expr], value: Callable[[ast.expr | None], Any]) -> str:
    if name in REPLACED:
        return REPLACED[name]
    told = value(words.get("help"))
    marked = value(words.get("deprecated")) is True
    obsolete = isinstance(told, str) and any(sign in told.lower() for sign in _OBSOLETE)
    return "take it out: the script calls it deprecated" if marked or obsolete else ""
