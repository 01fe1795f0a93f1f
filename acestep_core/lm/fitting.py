"""Which 5 Hz language models fit a device, how long a song they can think through there, and how many at once."""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from acestep_core.api import Backend
from acestep_core.checkpoint import LM_PREFIX, language_model, language_models
from acestep_core.errors import UserError
from acestep_core.hub.catalogue import PARTS
from acestep_core.model import Model
from acestep_core.parts import Demand
from acestep_core.planning import LARGEST_BATCH, LONGEST_S, STEP_S, gigabytes, peak_of

SECONDS = 240.0  # of a song whose length is not known yet


@dataclass(frozen=True)
class LmPlan:
    """What a language model needs to think a song of `seconds` through, and whether it has it.

    It may sit beside the other parts of a model, take turns with them, or not fit at all. `longest_s` is how long one
    song may be, `most` how many of `seconds` can be thought through at once.
    """

    folder: Path
    demand: Demand
    peak: int
    """Bytes while it works and nothing else is loaded."""
    place: Literal["beside", "in turn", "no"]
    longest_s: int
    most: int

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def fits(self) -> bool:
        return self.place != "no"

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "weights": self.demand.weights, "work": self.demand.work, "peak": self.peak,
                "place": self.place, "longest_s": self.longest_s, "most": self.most}  # fmt: skip


def plan_lm(
    folder: Path,
    backend: Backend,
    budget: int,
    seconds: float = SECONDS,
    others: Mapping[str, Demand] | None = None,
) -> LmPlan:
    """How the language model in `folder` fits `budget` bytes, `others` being what the other parts need."""

    def peak(seconds: float, batch: int) -> int:
        return peak_of({"lm": backend.demand("lm", folder, seconds, batch)}, True)

    demand, alone = backend.demand("lm", folder, seconds, 1), peak(seconds, 1)
    together = peak_of({**(others or {}), "lm": demand}, False)
    lengths, sizes = range(STEP_S, LONGEST_S + 1, STEP_S), range(1, LARGEST_BATCH + 1)
    return LmPlan(
        folder=folder,
        demand=demand,
        peak=alone,
        place="no" if alone > budget else "beside" if together <= budget else "in turn",
        longest_s=STEP_S * bisect(lengths, False, key=lambda s: peak(s, 1) > budget),
        most=bisect(sizes, False, key=lambda n: peak(seconds, n) > budget),
    )


def largest(plans: Sequence[LmPlan]) -> LmPlan | None:
    """Of those that fit the one with the most weights."""
    return max((p for p in plans if p.fits), key=lambda p: p.demand.weights, default=None)


@dataclass(frozen=True)
class Chosen:
    """The language model that is used. `why` is a sentence where it was not named though there are several."""

    folder: Path
    why: str = ""
    at_once: int | None = None
    """How many songs it can think through together, where that can be told."""


def choose_lm(root: Path, name: str | None, backend: Backend, seconds: float = SECONDS) -> Chosen:
    """The one with that name, the only one, or of several the largest that has room on the device.

    Raises `UserError` where none has, and where a backend that knows nothing of memory leaves the choice to the user.
    """
    folders = language_models(root)
    several = name is None and len(folders) > 1
    try:
        free = backend.room()
        plans = [] if free is None else [plan_lm(f, backend, free, seconds) for f in folders]
    except UserError:
        plans = []
    if not several:
        folder = language_model(root, name)
        most = [max(1, p.most) for p in plans if p.folder == folder]
        return Chosen(folder, "", most[0] if most else None)
    if not plans:
        return Chosen(language_model(root, name))  # says that one is to be named
    best = largest(plans)
    if best is None:
        raise too_large(plans, free, seconds)
    names = " and ".join(short(p.name) for p in plans if p is not best)
    why = f"{best.name} thinks, the largest that fits {gigabytes(free)}; there is {names} too: --lm takes another"
    return Chosen(best.folder, why, best.most)


def settle(model: Model, seconds: float = SECONDS) -> Chosen:
    """Have a model use the language model that `choose_lm` chooses, if it is to choose."""
    checkpoint = model.checkpoint
    chosen = choose_lm(checkpoint.root, checkpoint.lm, model.lm_backend, seconds)
    if checkpoint.lm is None:
        model.checkpoint = replace(checkpoint, lm=chosen.folder.name)
    return chosen


def short(name: str) -> str:
    return name.removeprefix(LM_PREFIX)


def too_large(plans: Sequence[LmPlan], free: int, seconds: float) -> UserError:
    """Says what the smallest of them needs."""
    least = min(plans, key=lambda p: p.peak)
    problem = (
        f"No language model here fits: {short(least.name)} needs {gigabytes(least.peak)} for {seconds:g} s, "
        f"there are {gigabytes(free)}"
    )
    smallest = min((p for p in PARTS.values() if p.kind == "language model"), key=lambda p: p.about_gb or 0)
    smaller = f"acestep-core models download {smallest.name}, "
    have = any(p.name == smallest.name for p in plans)
    return UserError(problem, f"{'' if have else smaller}leave --think out, or run it elsewhere with --lm-backend")
