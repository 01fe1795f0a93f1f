"""How many steps a call amounts to, reckoned as the scripts do, before anything loads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from acestep_kohya.call import Call
from acestep_kohya.images import Part


@dataclass(frozen=True)
class Plan:
    """`samples` and `batches` are those of one epoch; `steps` are optimizer steps of the whole run."""

    samples: int
    batches: int
    accumulation: int
    epochs: int
    steps: int
    by_epochs: bool


def plan_of(call: Call, parts: Sequence[Part]) -> Plan:
    """The steps of the whole run on one device: of its epochs, if they are given, else as many as are asked for."""
    accumulation = max(1, call.get("gradient_accumulation_steps") or 1)
    samples = {number: samples_of(list(inside)) for number, inside in groupby(parts, key=lambda p: p.dataset)}
    sizes = {part.dataset: part.batch_size for part in parts}
    batches = sum(math.ceil(count / sizes[number]) for number, count in samples.items())
    an_epoch = math.ceil(batches / accumulation)
    epochs, steps = call.get("max_train_epochs"), call.get("max_train_steps") or 0
    if epochs is not None:
        return Plan(sum(samples.values()), batches, accumulation, epochs, epochs * an_epoch, True)
    whole = math.ceil(steps / an_epoch) if an_epoch else 0
    return Plan(sum(samples.values()), batches, accumulation, whole, steps, False)


def samples_of(parts: Sequence[Part]) -> int:
    """Images with repeats; those for regularisation are repeated until there are as many as the others."""
    own = sum(p.samples for p in parts if not p.is_reg)
    return own + _filled([p for p in parts if p.is_reg and p.images], own)


def _filled(parts: Sequence[Part], wanted: int) -> int:
    """The first round takes images with their own repeats until there are enough; what lacks is then added singly."""
    taken = 0
    for part in parts:
        for _ in range(part.images):
            if taken >= wanted:
                return taken
            taken += part.repeats
    return max(taken, wanted) if parts else 0
