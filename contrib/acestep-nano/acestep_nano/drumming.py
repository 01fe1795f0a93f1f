"""Drum patterns of a bar, in beats; hats mark every beat and its eighths."""

from acestep_nano.pieces import Drum
from acestep_nano.planning import Plan

# (kick, snare, hats between the beats too)
PATTERNS: dict[str, tuple[tuple[tuple[float, ...], tuple[float, ...], bool], ...]] = {
    "2": (((0,), (1,), True), ((0,), (1,), False)),
    "3": (((0,), (1, 2), False), ((0,), (2,), True)),
    "4": (((0, 2), (1, 3), True), ((0, 2, 2.5), (1, 3), True), ((0, 1, 2, 3), (1, 3), True), ((0, 2), (1, 3), False)),
    "6": (((0,), (1,), True), ((0, 2 / 3), (1,), True)),
}


def hits_of(plan: Plan) -> list[tuple[float, Drum]]:
    """(beat, drum) of the whole piece; the last bar is like the others, so that the pulse never stops."""
    kicks, snares, between = plan.draws("drum pattern").choice(PATTERNS[plan.metre])
    each = plan.division if between else 1
    hats = [step / each for step in range(plan.beats * each)]
    bar: list[tuple[float, Drum]] = [(b, "kick") for b in kicks]
    bar += [(b, "snare") for b in snares]
    bar += [(b, "hat") for b in hats]
    return [(start * plan.beats + beat, drum) for start in range(len(plan.chords)) for beat, drum in sorted(bar)]
