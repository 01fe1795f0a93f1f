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


def existing(wanted: Sequence[str], names: Iterable[str]) -> list[str]:
    """The layers a file names, by their original names; the file may write underscores for dots.

    Raises `UserError` listing every layer the model does not have.
    """
    names = list(names)
    known = {n.replace(".", "_"): n for n in names} | {n: n for n in names}
    unknown = [w for w in wanted if w not in known]
    if unknown:
        raise UserError(
            f"The adapter changes {len(unknown)} layers this model does not have:\n  " + "\n  ".join(unknown),
            "was it trained on another size of model (2B, XL)?",
        )
    return [known[w] for w in wanted]
