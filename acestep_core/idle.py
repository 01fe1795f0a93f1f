"""Which options would do nothing as things stand, found by trying each and hearing what the checks say.

For forms: they show why a control is of no use instead of letting it be set and refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from acestep_core.errors import UserError
from acestep_core.options import Option, options_of

T = TypeVar("T")
Problems = Callable[[T], Sequence[UserError]]
_IDLE = re.compile(r"([^:]*)\bdo(?:es)? nothing\b(?: here)?[:\s]*(.*)", re.DOTALL)
_FLAGS = re.compile(r"(?<!\w)-{1,2}[a-z][\w-]*")


def idle_options(thing: T, problems: Problems[T], only: Mapping[str, Option] | None = None) -> dict[str, str]:
    """Option -> why it would do nothing, of an object with options; `problems` tells what is wrong with such an object.

    An option that stands at its default is tried with another value, the others as they are.
    """
    declared = options_of(type(thing)) if only is None else only
    found = {name: _why(thing, o, problems) for name, o in declared.items()}
    return {name: why for name, why in found.items() if why}


def _why(thing: T, o: Option, problems: Problems[T]) -> str:
    plain, tried = replace(thing, **{o.name: o.default}), getattr(thing, o.name)
    before = {e.problem for e in problems(plain)}
    for value in [tried] if tried != o.default else _others(o):
        told = [_IDLE.search(e.problem) for e in problems(replace(thing, **{o.name: value}))
                if e.problem not in before]  # fmt: skip
        reasons = [m[2] or m[0] for m in told if m and _is_named(o.name, m[1])]
        if not reasons:
            return ""
        reason = reasons[0]
    return reason


def _is_named(name: str, subject: str) -> bool:
    """Whether an option is among those that a sentence says do nothing, as in '--guidance-start and -end'."""
    flag = "--" + name.removesuffix("_s").replace("_", "-")
    return any(flag == said or (said[1] != "-" and flag.endswith(said)) for said in _FLAGS.findall(subject))


def _others(o: Option) -> Iterator[Any]:
    """Values that are not the default. An option is idle if all of them are."""
    kind = str(o.type)
    if o.choices:
        yield next(c for c in o.choices if c != o.default)
    elif isinstance(o.default, bool) or kind.startswith("bool"):
        yield o.default is not True
    elif "tuple" in kind and "float" in kind:
        yield (1.0, 0.6, 0.0)
    elif "float" in kind or "int" in kind:
        yield from _numbers(o)
    else:
        yield "1"


def _numbers(o: Option) -> Iterator[float]:
    """Near both ends and in the middle of what is allowed, where that is not endless."""
    low = o.bounds.get("ge", o.bounds.get("gt", 0))
    high = min(o.bounds.get("le", o.bounds.get("lt", low + 1000)), low + 1000)
    shares = (0.25, 0.5, 0.9)
    values = [low + (high - low) * share for share in shares]
    whole = "float" not in str(o.type)
    yield from (v for v in (round(v) if whole else v for v in values) if v != o.default)
