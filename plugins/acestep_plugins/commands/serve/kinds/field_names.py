"""Sentences that were made for the command line, as they are told to who sends requests: flags are fields there."""

import re
from collections.abc import Mapping
from typing import Any

from acestep_core.errors import UserError
from acestep_core.options import options_of
from acestep_core.tasks import TASKS
from acestep_plugins.commands.serve.kinds.asked import OPTIONS, TASK, Shape

# A command that is told whole stays one; what follows behind it is about the request again.
_FLAG = re.compile(
    r"acestep-core .*?(?=, or |;|\n|$)"
    r"|(?<![\w-])(?:--(?P<flag>[a-z][a-z0-9-]*)|(?P<table>-o \w+)\.(?P<name>\w+)=)"
)

_SAID = ("problems", "failed", "notes", "warnings")


def fields_by_flag(shape: Shape) -> dict[str, str]:
    """What a field of these requests is called where the command line has a flag for it; 'samples.count' is in a table.

    Flags of tables begin with the table's name or not, those of lists may be told once for each.
    """
    flat = [n for cls in shape.flat for n in shape.fields_of(cls)]
    found = {flag(name): name for name in flat}
    for table, cls in shape.tables.items():
        for name in shape.fields_of(cls):
            for called in (flag(f"{_one(table.removesuffix('_settings'))}_{name}"), flag(name)):
                found.setdefault(called, f"{table}.{name}")
    for name, cls in shape.lists.items():
        found |= {flag(n): f"{name}.{n}" for n in shape.fields_of(cls) if flag(n) not in found}
    if shape.task:
        tasks = {n for task in TASKS.values() for n in options_of(task)}
        found |= {TASK: TASK} | {flag(n): f"{TASK}.{n}" for n in tasks if flag(n) not in found}
    found |= {f"-o {table}": f"{OPTIONS}.{table}" for table in shape.plugins}
    return {flag(_one(name)): name for name in (*flat, *shape.lists)} | found


def for_requests(text: str, fields: Mapping[str, str]) -> str:
    """The text with every flag that is one of these fields told as that field."""

    def told(found: re.Match[str]) -> str:
        name = fields.get(found["table"] or found["flag"] or "")
        if name is None:
            return found[0]
        return f"'{name}.{found['name']}' " if found["table"] else f"'{name}'"

    return _FLAG.sub(told, text)


def error_for_requests(error: UserError, fields: Mapping[str, str]) -> UserError:
    return UserError(for_requests(error.problem, fields), for_requests(error.hint, fields))


def result_for_requests(result: dict[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """What came of a job, with what it says of problems, at any depth, in the words of its request."""

    def told(thing: Any, said: bool) -> Any:
        if isinstance(thing, Mapping):
            return {k: told(v, said or k in _SAID) for k, v in thing.items()}
        if isinstance(thing, list | tuple):
            return [told(v, said) for v in thing]
        return for_requests(thing, fields) if said and isinstance(thing, str) else thing

    return told(result, False)


def flag(name: str) -> str:
    """What the command line calls an option, without the dashes."""
    return name.removesuffix("_s").replace("_", "-")


def _one(name: str) -> str:
    return name.removesuffix("s")
