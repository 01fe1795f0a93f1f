"""Timesteps of a generation: t falls from 1 (noise) to 0 (data)."""

from collections.abc import Sequence

from acestep_core.errors import UserError


def shift_map(t: float, shift: float) -> float:
    """t moved towards noise (shift above 1) or data (below 1); 0 and 1 stay."""
    return shift * t / (1 + (shift - 1) * t)


def shifted(steps: int, shift: float) -> list[float]:
    """`steps` + 1 evenly spaced values, shifted. With 8 steps and shift 1, 2, 3: the reference's turbo tables."""
    return [shift_map(1 - i / steps, shift) for i in range(steps)] + [0.0]


def check_schedule(t: Sequence[float]) -> None:
    """Raise `UserError` unless t falls strictly from at most 1 to exactly 0."""
    falling = all(a > b for a, b in zip(t, t[1:], strict=False))
    if len(t) < 2 or t[0] > 1 or t[-1] != 0 or not falling:
        raise UserError(f"A schedule must fall from at most 1 to 0, not {list(t)}", "check the sampler's schedule()")
