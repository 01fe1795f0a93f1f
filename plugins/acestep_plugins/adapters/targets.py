"""Which linear layers of the decoder an adapter changes."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from acestep_core import UserError

Attention = Literal["both", "self", "cross"]
PROJECTIONS = ("q", "k", "v", "o")
MLP = ("gate_proj", "up_proj", "down_proj")


def chosen(names: Iterable[str], attention: Attention, projections: Sequence[str], mlp: bool) -> list[str]:
    """Original names of the wanted layers, in order. Raises `UserError` for an unknown projection or no layer."""
    unknown = [p for p in projections if p not in PROJECTIONS]
    if unknown:
        raise UserError(f"There is no projection '{unknown[0]}'", f"use some of {','.join(PROJECTIONS)}")
    kinds = {"both": "self|cross", "self": "self", "cross": "cross"}[attention]
    patterns = [rf"layers\.\d+\.({kinds})_attn\.[{''.join(projections)}]_proj"] if projections else []
    patterns += [rf"layers\.\d+\.mlp\.({'|'.join(MLP)})"] if mlp else []
    found = [n for n in names if any(re.fullmatch(p, n) for p in patterns)]
    if not found:
        raise UserError("No layer is chosen for the adapter", "choose projections=q,k,v,o or mlp=true")
    return found
