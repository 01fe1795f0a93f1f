"""The way from noise to latents: which condition is heard at which step, guidance, and what of a song is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from acestep_core.guidance import Guided, Kind, Steadied
from acestep_core.parts import Look


@dataclass(frozen=True)
class Heard:
    """What the model is told: a prepared condition, a context [T, 128], and the empty condition if it is guided."""

    condition: Any
    context: Any
    null: Any = None


@dataclass(frozen=True)
class Kept:
    """What a repaint leaves: `clean` latents [T, 64] where `mask` [T, 1] is 0.

    `share` of the steps put them back, at the noise of the step; afterwards they are blended in over `fade` frames
    outside the region.
    """

    clean: Any
    mask: Any
    share: float = 0.0
    fade: int = 0


@dataclass(frozen=True, kw_only=True)
class Course:
    """How to denoise. `then` is heard from step `then_from` on, in place of the first."""

    times: Sequence[float]
    heard: Heard
    then: Heard | None = None
    then_from: int = 0
    guidance: float = 1.0
    kind: Kind = "apg"
    interval: tuple[float, float] = (0.0, 1.0)
    clamp: float = 0.0
    ema: float = 0.0
    kept: Kept | None = None


Asked = Callable[[Look], Any]
OnStep = Callable[[int, Callable[[], Any]], None]


def denoise(look: Asked, course: Course, solver: Any, noise: Any, draws: Iterator[Any], x: Any, on_step: OnStep) -> Any:
    """Latents [T, 64] from x, which is `noise` or, where a song is started from, noisy song. Source: generate_audio.

    `look` answers with the velocity asked for. `on_step(i, estimate)` hears of every step done; `estimate()`
    is what the latents would be if the way went on straight.
    """
    steps = len(course.times) - 1
    velocity = Watched(velocity_of(look, course))

    def after(i: int, x: Any) -> Any:
        kept = course.kept
        if kept is not None and i < round(kept.share * steps):
            t = course.times[i + 1]
            x = kept.mask * x + (1 - kept.mask) * (noise * t + kept.clean * (1 - t))
        on_step(i, velocity.estimate)
        return x

    x = solver.solve(velocity, x, course.times, lambda: next(draws), after)
    return x if course.kept is None else blended(x, course.kept)


class Watched:
    """A velocity that remembers where it was last looked at, second looks aside."""

    def __init__(self, velocity: Callable[..., Any]):
        self._velocity = velocity
        self._last: tuple[Any, float, Any] = (0.0, 0.0, 0.0)

    def __call__(self, x: Any, t: float, corrector: bool = False) -> Any:
        v = self._velocity(x, t, corrector)
        if not corrector:
            self._last = (x, t, v)
        return v

    def estimate(self) -> Any:
        """The data as the model saw it there: x - t v."""
        x, t, v = self._last
        return x - v * t


def velocity_of(look: Asked, course: Course) -> Callable[..., Any]:
    """velocity(x, t, corrector=False) of a course."""
    stages = [course.heard, *([course.then] if course.then else [])]
    conditional = _switching(look, [(s.condition, s.context) for s in stages], course)
    velocity: Callable[..., Any] = conditional
    if course.guidance != 1:
        unconditional = _switching(look, [(s.null, s.context) for s in stages], course)
        velocity = Guided(conditional, unconditional, course.guidance, course.kind, course.interval)
    return Steadied(velocity, course.clamp, course.ema) if course.clamp or course.ema else velocity


def _switching(look: Asked, stages: Sequence[tuple[Any, Any]], course: Course) -> Callable[..., Any]:
    if len(stages) == 1:
        return lambda x, t, corrector=False: look(Look(x, t, *stages[0]))

    def velocity(x: Any, t: float, corrector: bool = False) -> Any:
        """A second look at a step is at a lower t, and hears what the step hears."""
        step = next(i for i, reached in enumerate(course.times) if reached <= t) - corrector
        return look(Look(x, t, *stages[step >= course.then_from]))

    return velocity


def blended(x: Any, kept: Kept) -> Any:
    """x in the region, the clean latents outside, and between them a linear ramp outside the region."""
    mask = ramped(kept.mask, kept.fade)
    return mask * x + (1 - mask) * kept.clean


def ramped(mask: Any, fade: int) -> Any:
    """A mask [T, 1] of zeros and ones whose ones run out linearly over `fade` places to both sides."""
    import numpy as np

    inside = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask, np.float64)[:, 0]
    if not fade or not inside.any():
        return mask
    places = np.concatenate([[-np.inf], np.flatnonzero(inside), [np.inf]])
    here = np.arange(len(inside))
    after = np.searchsorted(places, here)
    distance = np.minimum(places[after] - here, here - places[after - 1])
    distance[inside > 0] = 0
    values = np.clip(1 - distance / (fade + 1), 0, 1).astype(np.float32)[:, None]
    return mask * 0 + (type(mask)(values) if isinstance(mask, np.ndarray) else mask.new_tensor(values))
