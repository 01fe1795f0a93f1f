"""Timesteps of a generation: t falls from 1 (noise) to 0 (data)."""

from collections.abc import Sequence

from acestep_core.errors import UserError

TURBO_STEPS, TURBO_SHIFTS = 8, (1.0, 2.0, 3.0)  # the tables turbo was distilled on, modeling_acestep_v15_turbo.py
MOST_SNAPPED = 20


def shift_map(t: float, shift: float) -> float:
    """t moved towards noise (shift above 1) or data (below 1); 0 and 1 stay."""
    return shift * t / (1 + (shift - 1) * t)


def shifted(steps: int, shift: float) -> list[float]:
    """`steps` + 1 evenly spaced values, shifted. With 8 steps and shift 1, 2, 3: the reference's turbo tables."""
    return [shift_map(1 - i / steps, shift) for i in range(steps)] + [0.0]


def snapped(given: Sequence[float]) -> list[float]:
    """Each value replaced by the nearest of turbo's tables, then 0: what the reference makes of a turbo schedule.

    Values may repeat. Raises `UserError` for more than twenty, where the reference silently cuts.
    """
    known = sorted({t for shift in TURBO_SHIFTS for t in shifted(TURBO_STEPS, shift)[:-1]})
    kept = [t for i, t in enumerate(given) if any(given[i:])]  # zeros at the end
    if len(kept) > MOST_SNAPPED:
        raise UserError(f"The reference takes at most {MOST_SNAPPED} timesteps, not {len(kept)}", "give fewer")
    return [min(known, key=lambda k: abs(k - t)) for t in kept] + [0.0]


def from_level(times: Sequence[float], level: float) -> list[float]:
    """The schedule from its value nearest to `level` on: where a run that starts from a noisy song joins it."""
    first = min(range(len(times) - 1), key=lambda i: abs(times[i] - level))
    return list(times[first:])


def check_schedule(t: Sequence[float], may_repeat: bool = False) -> None:
    """Raise `UserError` unless t falls (strictly, or may repeat) from at most 1 to exactly 0."""
    falling = all(a > b or (may_repeat and a == b) for a, b in zip(t, t[1:], strict=False))
    if len(t) < 2 or t[0] > 1 or t[-1] != 0 or not falling:
        raise UserError(
            f"A schedule must fall from at most 1 to 0, not {list(t)}", "correct --timesteps or the sampler"
        )
