"""Makes a clip from a request: text → condition → noise → latents → wave, with a record that makes it again."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from acestep_core import prompts
from acestep_core.adapters import attach, take_off
from acestep_core.audio import RATE_HZ, normalise_peak, write_audio
from acestep_core.checkpoint import ModelInfo
from acestep_core.data import CHECKS
from acestep_core.errors import UserError, raise_all
from acestep_core.files import text_id, write_json
from acestep_core.guidance import Guided
from acestep_core.model import Model
from acestep_core.options import check_values, option
from acestep_core.parts import FRAME_RATE_HZ, MIN_FRAMES
from acestep_core.provenance import versions
from acestep_core.registry import Registry, registry
from acestep_core.schedule import check_schedule, shifted

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """Everything that decides what is heard, but for the model and the adapters."""

    caption: str = option("", "what the music is like")
    lyrics: str = option("", "words, with [Verse] and [Chorus] lines; empty = instrumental")
    duration_s: float = option(30.0, "length in seconds", gt=0, le=600)
    bpm: int | None = option(None, "tempo", ge=30, le=300)
    keyscale: str = option("", "key, such as 'F# minor'")
    timesignature: str = option("", "beats in a bar: 2, 3, 4 or 6")
    language: str = option("unknown", "language of the lyrics, such as en, zh or ja")
    seed: int | None = option(None, "drives everything random; drawn and recorded when not given", ge=0, lt=2**63)
    steps: int | None = option(None, "solver steps; 8 for turbo, 50 for base and sft", ge=1, le=1000)
    shift: float | None = option(None, "moves steps towards noise; 3 for turbo, 1 for base and sft", gt=0, le=20)
    schedule: str | None = option(
        None, "take the timesteps of this sampler plugin instead of the shifted ones", plugin="samplers"
    )
    solver: str = option("euler", "solver plugin: euler, heun, sde or any installed one", plugin="solvers")
    guidance: float | None = option(None, "how strongly the prompt is followed; 7 for base and sft", ge=0, le=50)
    guidance_kind: Literal["apg", "cfg"] | None = option(None, "kind of guidance; apg unless given")
    guidance_start: float = option(0.0, "lowest t that is guided", ge=0, le=1)
    guidance_end: float = option(1.0, "highest t that is guided", ge=0, le=1)
    peak_db: float = option(-1.0, "level of the loudest sample in dBFS", ge=-60, le=0)


@dataclass(frozen=True)
class Progress:
    """Where a generation is: `stage` is text, steps or decode."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Clip:
    """A generated wave float32 [2, S] at 48 kHz, and the record that makes it again."""

    wave: "np.ndarray"
    record: Mapping[str, Any]

    def save(self, path: str | Path) -> Path:
        """Write the audio in the format of the extension, and the record beside it as `<file>.json`."""
        write_audio(Path(path), self.wave)
        write_json(record_path(Path(path)), self.record)
        return Path(path)


@dataclass(frozen=True)
class UsedAdapter:
    """An adapter file or folder and the strength it is heard at."""

    path: Path
    scale: float = 1.0


def record_path(audio: Path) -> Path:
    return audio.with_name(f"{audio.name}.json")


def generate(
    model: Model,
    request: GenerateRequest | None = None,
    *,
    adapters: Sequence[UsedAdapter] = (),
    plugins: Registry | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    on_progress: Callable[[Progress], None] = lambda p: None,
    **fields: Any,
) -> Clip:
    """One clip. Give a request or its fields; `options` holds tables for 'solver' and 'schedule'.

    Raises `UserError` for an option that would do nothing with this model.
    """
    plugins = plugins or registry()
    request = resolve(request or GenerateRequest(**fields), model.info)
    options = options or {}
    solver = plugins.make("solvers", request.solver, options.get("solver"))
    times = _times(request, plugins, options.get("schedule"))
    texts = _texts(request)
    on_progress(Progress("text", 0, 1))
    notes = prompts.token_warnings(*texts, model.text.count, "the prompt")
    states = model.text.caption(texts[0]), model.text.lyrics(texts[1])
    dit = model.dit
    attached = [attach(dit, a.path, a.scale, plugins) for a in adapters]
    try:
        condition = dit.condition(*states)
        latents = _solved(dit, request, solver, times, condition, on_progress)
    finally:
        take_off(attached)
    _check_finite(dit.numpy(latents), request)
    wave = model.codec.decode(latents, lambda done, total: on_progress(Progress("decode", done, total)))
    wave = normalise_peak(wave[:, : round(request.duration_s * RATE_HZ)], request.peak_db)
    record = _record(model, dit, request, options, adapters, times, wave) | {"notes": notes}
    return Clip(wave, record)


def resolve(request: GenerateRequest, info: ModelInfo) -> GenerateRequest:
    """The request with the model's defaults and a seed filled in, every problem told at once."""
    errors = check_values(request, "generate")
    for name in ("keyscale", "timesignature", "language"):
        try:
            value = getattr(request, name)
            request = replace(request, **{name: CHECKS[name](value) if value else value})
        except ValueError as e:
            errors.append(UserError(f"{name} {value!r} {e}"))
    errors += list(_ineffective(request, info))
    raise_all(errors, "The request")
    guided = request.guidance if request.guidance is not None else info.default_guidance
    return replace(
        request,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
        steps=request.steps or info.default_steps,
        shift=request.shift if request.shift is not None else info.default_shift,
        guidance=guided,
        guidance_kind=(request.guidance_kind or "apg") if guided != 1 else None,
    )


def derived_seed(seed: int, label: str) -> int:
    """A seed of its own for each use, out of the one seed of an item."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{label}".encode()).digest()[:7], "big")


def _ineffective(request: GenerateRequest, info: ModelInfo) -> Iterator[UserError]:
    if info.turbo and request.guidance not in (None, 1):
        yield UserError(f"--guidance {request.guidance:g} does nothing: {info.variant} has it built in", "leave it out")
    unguided = info.turbo or request.guidance == 1
    if unguided and (request.guidance_kind or request.guidance_start > 0 or request.guidance_end < 1):
        yield UserError("--guidance-kind, -start and -end do nothing without guidance", "leave them out")
    if request.guidance_start > request.guidance_end:
        yield UserError("--guidance-start is above --guidance-end", "swap them")
    if request.schedule and request.shift is not None:
        yield UserError("--shift does nothing: --schedule gives the timesteps", "leave one of them out")


def _times(request: GenerateRequest, plugins: Registry, options: Mapping[str, Any] | None) -> list[float]:
    if request.schedule is None:
        return shifted(request.steps, request.shift)
    times = plugins.make("samplers", request.schedule, options).schedule(request.steps)
    check_schedule(times)
    return times


def _texts(request: GenerateRequest) -> tuple[str, str]:
    metas = prompts.metas_text(request.bpm, request.timesignature, request.keyscale, request.duration_s)
    lyrics = prompts.lyric_text(request.lyrics or "[Instrumental]", request.language)
    return prompts.caption_text(request.caption, metas), lyrics


def _solved(
    dit: Any, request: GenerateRequest, solver: Any, times: Sequence[float], condition: Any, on_progress: Callable
) -> Any:
    frames = max(MIN_FRAMES, -(-round(request.duration_s * 1000) * FRAME_RATE_HZ // 1000))
    context = dit.text2music_context(frames)
    velocity = velocity_of(dit, request, condition, context)
    draws = (dit.noise(derived_seed(request.seed, f"solver {i}"), frames) for i in range(10**9))
    return solver.solve(
        velocity,
        dit.noise(request.seed, frames),
        times,
        lambda: next(draws),
        lambda i, x: on_progress(Progress("steps", i + 1, len(times) - 1)),
    )


def velocity_of(dit: Any, request: GenerateRequest, condition: Any, context: Any) -> Callable[..., Any]:
    """velocity(x, t, corrector=False) of a resolved request."""
    if request.guidance == 1:
        return lambda x, t, corrector=False: dit.velocity(x, t, condition, context)
    null = dit.null_condition(len(condition))
    return Guided(
        lambda x, t: dit.velocity(x, t, condition, context),
        lambda x, t: dit.velocity(x, t, null, context),
        request.guidance,
        request.guidance_kind,
        (request.guidance_start, request.guidance_end),
    )


def _check_finite(latents: "np.ndarray", request: GenerateRequest) -> None:
    import numpy as np

    if not np.isfinite(latents).all():
        raise UserError(
            "The model produced NaN or infinite latents", "try -o backend.dtype=float32 or scale down adapters"
        )


def _record(model: Model, dit: Any, request: Any, options: Any, adapters: Any, times: Any, wave: Any) -> dict[str, Any]:
    return {
        "request": asdict(request),
        "options": {k: dict(v) for k, v in options.items() if v},
        "schedule": list(times),
        "adapters": [{"path": str(a.path), "scale": a.scale, "hash": adapter_hash(a.path)} for a in adapters],
        "model": {"folder": model.info.folder.name, "variant": model.info.variant, "hashes": model.hashes},
        "backend": {"name": model.backend.name, "device": dit.device_name, "dtype": dit.dtype_name},
        "versions": versions(),
        "audio": {"rate_hz": RATE_HZ, "samples": wave.shape[1], "sha256": hashlib.sha256(wave.tobytes()).hexdigest()},
    }


def adapter_hash(path: Path) -> str:
    """Names the weights of an adapter, wherever it lies."""
    files = sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]
    return text_id(*(hashlib.sha256(f.read_bytes()).hexdigest() for f in files))
