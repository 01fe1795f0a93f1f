"""Makes a clip from a request: text and source → condition → noise → latents → wave, with a record of all of it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core import prompts
from acestep_core.adapters import attach, take_off
from acestep_core.audio import RATE_HZ, normalise_peak, write_audio
from acestep_core.denoising import Course, Heard, Kept, denoise
from acestep_core.errors import UserError
from acestep_core.files import content_id, text_id, write_json
from acestep_core.model import Model
from acestep_core.parts import MIN_FRAMES
from acestep_core.provenance import versions
from acestep_core.registry import Registry, registry
from acestep_core.request import GenerateRequest, resolve, times_of
from acestep_core.schedule import from_level
from acestep_core.seeds import derived_seed
from acestep_core.source import (
    SourceSong,
    context_of,
    fitted,
    frames_for,
    inside_of,
    read_source,
    read_timbre,
    spliced,
)
from acestep_core.tasks import Cover, Repaint, Text2Music

if TYPE_CHECKING:
    import numpy as np


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
    times = times_of(request, model.info, plugins, options.get("schedule"))
    song, timbre = _sounds(model, request)
    on_progress(Progress("text", 0, 1))
    states, notes = _states(model, request)
    dit = model.dit
    attached = [attach(dit, a.path, a.scale, plugins) for a in adapters]
    try:
        course = _course(dit, request, times, states, song, timbre)
        latents = _solved(dit, request, solver, course, song, on_progress)
    finally:
        take_off(attached)
    _check_finite(dit.numpy(latents), request)
    wave = model.codec.decode(latents, lambda done, total: on_progress(Progress("decode", done, total)))
    wave = _finished(wave, request, song)
    record = _record(model, dit, request, options, adapters, times, wave) | {"notes": notes}
    return Clip(wave, record)


def _sounds(model: Model, request: GenerateRequest) -> "tuple[SourceSong | None, np.ndarray | None]":
    song = read_source(request.task, model.codec, derived_seed(request.seed, "source")) if _has_song(request) else None
    timbre = request.timbre
    return song, None if timbre is None else read_timbre(timbre, model.codec, derived_seed(request.seed, "timbre"))


def _has_song(request: GenerateRequest) -> bool:
    return not isinstance(request.task, Text2Music)


def _switch(request: GenerateRequest) -> float:
    """Share of the steps that hear the song or the codes."""
    task = request.task
    if isinstance(task, Cover):
        return task.cover_strength
    return task.codes_strength if isinstance(task, Text2Music) and task.codes else 1.0


def _states(model: Model, request: GenerateRequest) -> tuple[list[Any], list[str]]:
    """(text states of each stage with those of the lyrics, warnings)."""
    metas = prompts.metas_text(request.bpm, request.timesignature, request.keyscale, request.duration_s)
    instructions = [request.task.instruction, *([prompts.TEXT2MUSIC] if _switch(request) < 1 else [])]
    captions = [prompts.caption_text(request.caption, metas, i) for i in instructions]
    lyrics = prompts.lyric_text(request.lyrics or "[Instrumental]", request.language)
    notes = prompts.token_warnings(captions[0], lyrics, model.text.count, "the prompt")
    words = model.text.lyrics(lyrics)
    return [(model.text.caption(c), words) for c in captions], notes


def _course(
    dit: Any,
    request: GenerateRequest,
    times: list[float],
    states: list[Any],
    song: SourceSong | None,
    timbre: Any,
) -> Course:
    frames = len(song.latents) if song else frames_for(request.duration_s)
    frames = max(frames, MIN_FRAMES)
    first = Heard(
        dit.condition(*states[0], timbre), context_of(request.task, song, dit, frames, request.reference_mode)
    )
    task = request.task
    if isinstance(task, Cover) and task.cover_noise:
        times = from_level(times, 1 - task.cover_noise)
    then = Heard(dit.condition(*states[1], timbre), dit.text2music_context(frames)) if len(states) > 1 else None
    kept = None
    if isinstance(task, Repaint):
        inside = inside_of(song.region, frames)[:, None].astype("float32")
        clean = fitted(song.latents, dit, frames)
        kept = Kept(dit.array(clean), dit.array(inside), task.held, task.fade_frames)
    return Course(
        times=times,
        heard=first,
        then=then,
        then_from=int((len(times) - 1) * _switch(request)),
        guidance=request.guidance,
        kind=request.guidance_kind or "apg",
        interval=(request.guidance_start, request.guidance_end),
        clamp=request.velocity_clamp,
        ema=request.velocity_ema,
        kept=kept,
    )


def _solved(
    dit: Any, request: GenerateRequest, solver: Any, course: Course, song: SourceSong | None, on_progress: Callable
) -> Any:
    frames = len(course.heard.context)
    noise = x = dit.noise(request.seed, frames)
    if isinstance(request.task, Cover) and request.task.cover_noise:
        x = noise * course.times[0] + dit.array(fitted(song.latents, dit, frames)) * (1 - course.times[0])
    draws = (dit.noise(derived_seed(request.seed, f"solver {i}"), frames) for i in range(10**9))
    total = len(course.times) - 1
    return denoise(dit, course, solver, noise, draws, x, lambda i, x: on_progress(Progress("steps", i + 1, total)))


def _finished(wave: "np.ndarray", request: GenerateRequest, song: SourceSong | None) -> "np.ndarray":
    wave = wave[:, : round(request.duration_s * RATE_HZ)]
    if isinstance(request.task, Repaint) and request.task.repaint_mode != "aggressive":
        wave = spliced(wave, song, request.task.fade_s)
    return normalise_peak(wave, request.peak_db)


def _check_finite(latents: "np.ndarray", request: GenerateRequest) -> None:
    import numpy as np

    if not np.isfinite(latents).all():
        raise UserError(
            "The model produced NaN or infinite latents", "try -o backend.dtype=float32 or scale down adapters"
        )


def _record(model: Model, dit: Any, request: Any, options: Any, adapters: Any, times: Any, wave: Any) -> dict[str, Any]:
    return {
        "request": {**asdict(request), "timbre": request.timbre and str(request.timbre), "task": request.task.record()},
        "options": {k: dict(v) for k, v in options.items() if v},
        "schedule": list(times),
        "adapters": [{"path": str(a.path), "scale": a.scale, "hash": adapter_hash(a.path)} for a in adapters],
        "sources": {str(p): content_id(p) for p in (request.timbre, getattr(request.task, "source", None)) if p},
        "model": {"folder": model.info.folder.name, "variant": model.info.variant, "hashes": model.hashes},
        "backend": {"name": model.backend.name, "device": dit.device_name, "dtype": dit.dtype_name},
        "versions": versions(),
        "audio": {"rate_hz": RATE_HZ, "samples": wave.shape[1], "sha256": hashlib.sha256(wave.tobytes()).hexdigest()},
    }


def adapter_hash(path: Path) -> str:
    """Names the weights of an adapter, wherever it lies."""
    files = sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]
    return text_id(*(hashlib.sha256(f.read_bytes()).hexdigest() for f in files))
