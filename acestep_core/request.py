"""What a clip is asked to be, and what of it makes no sense with this model or this task."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from acestep_core.checkpoint import ModelInfo
from acestep_core.data import CHECKS
from acestep_core.errors import UserError, raise_all
from acestep_core.finishing import PEAK_DB, fade_problems, level_problems
from acestep_core.guidance import Kind
from acestep_core.options import check_values, option
from acestep_core.registry import Registry
from acestep_core.schedule import TURBO_SHIFTS, TURBO_STEPS, check_schedule, from_level, shifted, snapped
from acestep_core.source import length_of
from acestep_core.tasks import Cover, Lego, Repaint, Task, Text2Music

DEFAULT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """Everything that decides what is heard, but for the model and the adapters."""

    caption: str = option("", "what the music is like")
    lyrics: str = option("", "words, with [Verse] and [Chorus] lines; empty = instrumental")
    duration_s: float | None = option(None, "length in seconds; 30, or as the task's song has it", gt=0, le=600)
    bpm: int | None = option(None, "tempo", ge=30, le=300)
    keyscale: str = option("", "key, such as 'F# minor'")
    timesignature: str = option("", "beats in a bar: 2, 3, 4 or 6")
    language: str = option("unknown", "language of the lyrics, such as en, zh or ja")
    seed: int | None = option(None, "drives everything random; drawn and recorded when not given", ge=0, lt=2**63)
    timbre: Path | None = option(None, "a sound whose timbre is taken up")
    steps: int | None = option(None, "solver steps; 8 for turbo, 50 for base and sft", ge=1, le=1000)
    shift: float | None = option(None, "moves steps towards noise; 3 for turbo, 1 for base and sft", gt=0, le=20)
    schedule: str | None = option(
        None, "take the timesteps of this sampler plugin instead of the shifted ones", plugin="samplers"
    )
    timesteps: tuple[float, ...] | None = option(
        None, "these timesteps, falling from at most 1 to 0, in place of the shifted ones", gt=-1e-9, le=1
    )
    solver: str = option("euler", "solver plugin: euler, heun, sde or any installed one", plugin="solvers")
    guidance: float | None = option(None, "how strongly the prompt is followed; 7 for base and sft", ge=0, le=50)
    guidance_kind: Kind | None = option(None, "kind of guidance; apg unless given")
    guidance_start: float = option(0.0, "lowest t that is guided", ge=0, le=1)
    guidance_end: float = option(1.0, "highest t that is guided", ge=0, le=1)
    velocity_clamp: float = option(0.0, "largest velocity against the norm of x; 0 = as it comes", ge=0, le=5)
    velocity_ema: float = option(0.0, "share of the last velocity in each; 0 = as it comes", ge=0, lt=1)
    reference_mode: bool = option(
        False, "as the reference does where it differs: turbo's own timesteps only, regions not told to the model"
    )
    fade_in_s: float = option(0.0, "seconds in which it rises from silence", ge=0, le=10)
    fade_out_s: float = option(0.0, "seconds in which it falls to silence", ge=0, le=10)
    peak_db: float | None = option(
        None,
        f"loudest sample in dBFS: {PEAK_DB:g} unless given, and no more than that with --loudness-lufs",
        ge=-60,
        le=0,
    )
    loudness_lufs: float | None = option(
        None, "integrated loudness in LUFS (BS.1770) in place of a peak, such as -14", ge=-60, le=0
    )
    keep_level: bool = option(False, "leave the level as the model made it")
    task: Task = field(default_factory=Text2Music)


def resolve(request: GenerateRequest, info: ModelInfo) -> GenerateRequest:
    """The request with the model's defaults and a seed filled in, every problem told at once."""
    errors = [*check_values(request, "generate"), *check_values(request.task, request.task.name)]
    for name in ("keyscale", "timesignature", "language"):
        try:
            value = getattr(request, name)
            request = replace(request, **{name: CHECKS[name](value) if value else value})
        except ValueError as e:
            errors.append(UserError(f"{name} {value!r} {e}"))
    raise_all([*errors, *contradictions(request, info)], "The request")
    guided = request.guidance if request.guidance is not None else info.default_guidance
    of_task = length_of(request.task) if request.task.decides_length else None
    resolved = replace(
        request,
        duration_s=of_task or request.duration_s or DEFAULT_S,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
        steps=request.steps or (len(request.timesteps) - 1 if request.timesteps else info.default_steps),
        shift=request.shift if request.shift is not None else info.default_shift,
        guidance=guided,
        guidance_kind=(request.guidance_kind or "apg") if guided != 1 else None,
        peak_db=PEAK_DB if request.peak_db is None and not request.keep_level else request.peak_db,
    )
    raise_all(fade_problems(resolved), "The request")
    return resolved


def contradictions(request: GenerateRequest, info: ModelInfo) -> list[UserError]:
    """What cannot be meant together, or does nothing with this model and this task."""
    return [*request.task.problems(), *_ineffective(request, info), *level_problems(request)]


def _ineffective(request: GenerateRequest, info: ModelInfo) -> Iterator[UserError]:
    if info.turbo and request.guidance not in (None, 1):
        yield UserError(f"--guidance {request.guidance:g} does nothing: {info.variant} has it built in", "leave it out")
    unguided = info.turbo or request.guidance == 1
    if unguided and (request.guidance_kind or request.guidance_start > 0 or request.guidance_end < 1):
        yield UserError("--guidance-kind, -start and -end do nothing without guidance", "leave them out")
    if request.guidance_start > request.guidance_end:
        yield UserError("--guidance-start is above --guidance-end", "swap them")
    given = [f"--{n}" for n in ("timesteps", "schedule") if getattr(request, n) is not None]
    if given and request.shift is not None:
        yield UserError(f"--shift does nothing: {given[0]} gives the timesteps", "leave one of them out")
    if request.timesteps and (request.steps is not None or request.schedule):
        yield UserError("--timesteps says all: --steps and --schedule do nothing", "leave them out")
    if request.task.name not in info.tasks:
        known = ", ".join(info.tasks)
        yield UserError(f"{info.variant} cannot {request.task.name}", f"it can {known}; base models can do all")
    if request.duration_s is not None and request.task.decides_length:
        yield UserError("--duration does nothing: the source decides how long it is", "leave it out")
    one_step = (len(request.timesteps) == 2) if request.timesteps else request.steps == 1
    if one_step and request.shift is not None and not given:
        yield UserError("--shift does nothing with a single step, which goes from 1 to 0", "leave it out")
    if one_step and request.velocity_ema:
        yield UserError("--velocity-ema does nothing with a single step: there is no last velocity", "leave it out")
    if request.reference_mode:
        yield from _reference_problems(request, info)


def _reference_problems(request: GenerateRequest, info: ModelInfo) -> Iterator[UserError]:
    """With turbo the reference has timesteps of its own; regions it does not tell the model."""
    task = request.task
    whole = isinstance(task, Lego) and task.start == 0 and task.end == -1
    if info.turbo and (request.steps or TURBO_STEPS) != TURBO_STEPS and not request.timesteps:
        yield UserError(f"The reference always takes {TURBO_STEPS} steps with turbo", "leave --steps out")
    elif info.turbo and request.shift not in (None, *TURBO_SHIFTS):
        yield UserError("The reference knows the shifts 1, 2 and 3 with turbo", "give one of them")
    elif not (info.turbo and request.timesteps) and (whole or not isinstance(task, Repaint | Lego)):
        yield UserError("--reference-mode does nothing here: the reference does the same", "leave it out")


def times_of(
    request: GenerateRequest, info: ModelInfo, plugins: Registry, options: Mapping[str, Any] | None
) -> list[float]:
    """The schedule of a resolved request; of a run that starts from a noisy song, what is left of it."""
    times = _times(request, plugins, options)
    if request.reference_mode and request.timesteps and info.turbo:
        times = snapped(times)
    check_schedule(times, may_repeat=request.reference_mode)
    _check_reached(request, times)
    noise = _cover_noise(request)
    return from_level(times, 1 - noise) if noise else times


def _cover_noise(request: GenerateRequest) -> float:
    return request.task.cover_noise if isinstance(request.task, Cover) else 0.0


def _check_reached(request: GenerateRequest, times: list[float]) -> None:
    """Raise `UserError` for what would begin or end between two timesteps, and so do nothing."""
    first, last = request.guidance_start, request.guidance_end
    if request.guidance != 1 and not any(first <= t <= last for t in times[:-1]):
        hint = "widen them, or give --guidance 1"
        raise UserError(f"No timestep lies from --guidance-start {first:g} to --guidance-end {last:g}", hint)
    noise = _cover_noise(request)
    if noise and from_level(times, 1 - noise)[0] == 1:
        least = 1 - (times[0] + times[1]) / 2
        raise UserError(
            f"--cover-noise {noise:g} does nothing: the nearest timestep is all noise",
            f"give more than {least:.3g}, or more steps",
        )


def _times(request: GenerateRequest, plugins: Registry, options: Mapping[str, Any] | None) -> list[float]:
    if request.timesteps:
        return list(request.timesteps)
    if request.schedule is None:
        return shifted(request.steps, request.shift)
    return plugins.make("samplers", request.schedule, options).schedule(request.steps)
