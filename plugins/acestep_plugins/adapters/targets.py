"""Which layers of the decoder an adapter changes, and with which rank."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from acestep_core import UserError

Attention = Literal["both", "self", "cross"]
PROJECTIONS = ("q", "k", "v", "o")
MLP = ("gate_proj", "up_proj", "down_proj")
LAYERS_HELP = "exactly these layers, as regular expressions of whole names, instead of attention, projections and mlp"
RANKS_HELP = "other ranks, as PATTERN=RANK with regular expressions of whole names; the first that fits counts"


def chosen(adapter: Any, names: Iterable[str]) -> list[str]:
    """Original names of the layers that the options of an adapter choose, in order.

    Raises `UserError` for an unknown projection, a broken or idle pattern, or no layer.
    """
    names = list(names)
    if adapter.layers:
        found = matching(names, adapter.layers)
    else:
        found = [n for n in names if any(re.fullmatch(p, n) for p in _patterns(adapter))]
    if not found:
        raise UserError("No layer is chosen for the adapter", "choose projections=q,k,v,o or mlp=true")
    return found


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that one of the patterns matches whole; a pattern that matches none is an error."""
    for pattern in patterns:
        if not any(_compiled(pattern).fullmatch(n) for n in names):
            raise UserError(f"No layer is called '{pattern}'", f"they are called {names[0]} and the like")
    return [n for n in names if any(_compiled(p).fullmatch(n) for p in patterns)]


def ranks_of(names: Sequence[str], default: int, ranks: Sequence[str]) -> Mapping[str, int]:
    """The rank of each layer."""
    rules = []
    for rule in ranks:
        pattern, _, number = rule.rpartition("=")
        if not pattern or not number.strip().isdecimal() or not int(number):
            raise UserError(f"'{rule}' is no rank", "write PATTERN=RANK, such as .*mlp.*=16")
        matching(names, [pattern])
        rules.append((_compiled(pattern), int(number)))
    return {n: next((rank for pattern, rank in rules if pattern.fullmatch(n)), default) for n in names}


def _patterns(adapter: Any) -> list[str]:
    unknown = [p for p in adapter.projections if p not in PROJECTIONS]
    if unknown:
        raise UserError(f"There is no projection '{unknown[0]}'", f"use some of {','.join(PROJECTIONS)}")
    kinds = {"both": "self|cross", "self": "self", "cross": "cross"}[adapter.attention]
    patterns = [rf"layers\.\d+\.({kinds})_attn\.[{''.join(adapter.projections)}]_proj"] if adapter.projections else []
    return patterns + ([rf"layers\.\d+\.mlp\.({'|'.join(MLP)})"] if adapter.mlp else [])


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as e:
        raise UserError(
            f"'{pattern}' is no regular expression ({e})", "write layers by name, with .* for the rest"
        ) from e
