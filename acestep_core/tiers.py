"""What a device of a given memory is good for: language model, clips at once, length, 8 bits, parts in turn.

Computed, not looked up: `models plan` asked about the published 2B model and language models, none of which need be
there.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from acestep_core.checkpoint import open_checkpoint
from acestep_core.errors import UserError
from acestep_core.hub.outlines import write_outlines
from acestep_core.lm.fitting import LmPlan, largest, plan_lm
from acestep_core.planning import Plan, gigabytes, plan
from acestep_core.registry import Registry

LENGTHS_S = (240.0, 120.0, 60.0)  # of the clips that are planned for: the first at which one fits


@dataclass(frozen=True)
class Tier:
    """How the 2B turbo model runs in so many bytes. `lm` is None where no language model fits, `why` says what it took.

    `batch` clips of `seconds` fit at once; one alone may have `longest_s`. Those are without a language model;
    `lm_batch` and `lm_longest_s` with it.
    """

    budget: int
    backend: str
    options: Mapping[str, Any]
    one_at_a_time: bool
    seconds: float
    batch: int
    longest_s: int
    lm: str | None
    lm_batch: int
    lm_longest_s: int
    why: tuple[str, ...]
    note: str = ""

    @property
    def quantization(self) -> str:
        return str(self.options.get("quantization", "none"))

    def describe(self) -> dict[str, Any]:
        kept = {n: getattr(self, n) for n in self.__dataclass_fields__}
        return kept | {"options": dict(self.options), "quantization": self.quantization, "why": list(self.why)}


@contextmanager
def published() -> Iterator[tuple[Path, list[Path]]]:
    """(folder with outlines of the published models, those of the language models), as long as the block lasts."""
    with TemporaryDirectory() as folder:
        yield Path(folder), write_outlines(Path(folder))


def tier(budget: int, plugins: Registry, backend: str = "pt", options: Mapping[str, Any] | None = None) -> Tier:
    """For so many bytes of a GPU's memory, or with `options` of any device. Raises `UserError` if nothing fits."""
    with published() as (root, lms):
        checkpoint = open_checkpoint(root)
        for seconds in LENGTHS_S:
            try:
                found = plan(checkpoint, backend, options or {}, plugins, budget=budget, seconds=seconds)
                break
            except UserError as e:
                short = e
        else:
            raise short
        made = plugins.make("backends", backend, found.options)
        plans = [plan_lm(f, made, budget, seconds, found.parts) for f in lms]
    return _tier(found, backend, plans)


def _tier(found: Plan, backend: str, lms: Sequence[LmPlan]) -> Tier:
    best = largest(lms)
    return Tier(
        budget=found.budget,
        backend=backend,
        options=found.options,
        one_at_a_time=found.one_at_a_time,
        seconds=found.seconds,
        batch=found.most,
        longest_s=found.longest_s,
        lm=best.name if best else None,
        lm_batch=min(found.most, best.most) if best else 0,
        lm_longest_s=min(found.longest_s, best.longest_s) if best else 0,
        why=tuple(_reasons(found, lms, best)),
        note=found.note,
    )


def _reasons(found: Plan, lms: Sequence[LmPlan], best: LmPlan | None) -> Iterator[str]:
    eight = "" if found.options.get("quantization", "none") == "none" else " with 8-bit weights"
    together = "one part at a time" if found.one_at_a_time else "all parts together"
    yield f"the model{eight} needs {gigabytes(found.peak)} for {found.seconds:g} s, {together}"
    if best:
        where = "beside it" if best.place == "beside" else "in turn with it"
        yield f"{best.name} needs {gigabytes(best.peak)} for the same, and runs {where}"
    larger = [p for p in lms if not p.fits]
    if larger:
        least = min(larger, key=lambda p: p.peak)
        yield f"{least.name} would need {gigabytes(least.peak)}"
