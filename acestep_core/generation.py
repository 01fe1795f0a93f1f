"""Makes clips from requests: text and source → condition → noise → latents → wave, several at once, as events."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from acestep_core.adapters import UsedAdapter
from acestep_core.clip import Clip, audio_record, record_of, request_record
from acestep_core.conditioning import PreparedOnce, Words, conditions, read_words, share_heard, words_of
from acestep_core.denoising import Course, Heard, Kept, denoise
from acestep_core.errors import OutOfMemory, UserError
from acestep_core.events import Event, Failed, Made, Preview, Progress
from acestep_core.finishing import finished
from acestep_core.model import Model
from acestep_core.parts import HOP, MIN_FRAMES
from acestep_core.provenance import backend_record
from acestep_core.registry import Registry, registry
from acestep_core.request import GenerateRequest, resolve, times_of
from acestep_core.seeds import derived_seed
from acestep_core.source import SourceSong, context_of, fitted, frames_for, inside_of, read_source, read_timbre
from acestep_core.tasks import Cover, Repaint
from acestep_core.together import Together

if TYPE_CHECKING:
    import numpy as np

MOST_AT_ONCE = 8


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
    request = request or GenerateRequest(**fields)
    for event in generating(model, [request], adapters=adapters, plugins=plugins, options=options):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Made):
            return event.clip
        on_progress(event)
    raise AssertionError("an item is made or fails")


def generating(
    model: Model,
    requests: Sequence[GenerateRequest],
    *,
    adapters: Sequence[UsedAdapter] = (),
    plugins: Registry | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    batch_size: int | None = None,
    preview_every: int = 0,
) -> Iterator[Event]:
    """Makes all requests, up to `batch_size` at once (1 to 8; as the device likes unless given), and says how it goes.

    An item's result depends on its own request alone, to rounding; its record tells who shared its passes, so that the
    very same bytes can be made again. Every `preview_every` steps come `Preview`s; 0 = none. Close it to stop: at once,
    what is made so far stays made. Raises `UserError` before anything is made if a request makes no sense.
    """
    plugins, options = plugins or registry(), options or {}
    if batch_size is not None and not 1 <= batch_size <= MOST_AT_ONCE:
        raise UserError(f"{batch_size} items cannot be made at once", f"give a number from 1 to {MOST_AT_ONCE}")
    if preview_every and model.one_at_a_time:
        raise UserError("There is no room for previews: the parts of the model take turns", "leave --preview-every out")
    items = [_Item(i, *_resolved(r, model, plugins, options)) for i, r in enumerate(requests)]
    return _events(model, items, adapters, plugins, options, batch_size, preview_every)


@dataclass
class _Item:
    """One request on its way."""

    index: int
    request: GenerateRequest
    solver: Any
    times: list[float]
    song: SourceSong | None = None
    timbre: "np.ndarray | None" = None
    words: Words | None = None
    steps_done: list[tuple[int, Callable[[], Any]]] = field(default_factory=list)

    @property
    def frames(self) -> int:
        return max(len(self.song.latents) if self.song else frames_for(self.request.duration_s), MIN_FRAMES)


def _resolved(
    request: GenerateRequest, model: Model, plugins: Registry, options: Mapping[str, Mapping[str, Any]]
) -> tuple[GenerateRequest, Any, list[float]]:
    request = resolve(request, model.info)
    solver = plugins.make("solvers", request.solver, options.get("solver"))
    return request, solver, times_of(request, model.info, plugins, options.get("schedule"))


def _events(
    model: Model,
    items: Sequence[_Item],
    adapters: Sequence[UsedAdapter],
    plugins: Registry,
    options: Mapping[str, Any],
    batch_size: int | None,
    preview_every: int,
) -> Iterator[Event]:
    ready = []
    for item in items:
        yield Progress(item.index, "text", 0, 1)
        try:
            _hear(model, item)
            ready.append(item)
        except UserError as e:
            yield Failed(item.index, e)
    for item in ready:  # after all sounds: where parts take turns, each comes once
        item.words = words_of(item.request, model.text)
        read_words(model, item.words)
    while ready:
        size = min(batch_size or model.dit.at_once(max(i.frames for i in ready)), MOST_AT_ONCE)
        group, ready = ready[:size], ready[size:]
        yield from _group(model, group, adapters, plugins, options, preview_every)


def _hear(model: Model, item: _Item) -> None:
    """The sounds that the item is made of."""
    request, seed = item.request, item.request.seed
    if getattr(request.task, "source", None):
        item.song = model.working("codec", lambda c: read_source(request.task, c, derived_seed(seed, "source")))
    if request.timbre is not None:
        item.timbre = model.working("codec", lambda c: read_timbre(request.timbre, c, derived_seed(seed, "timbre")))


def _group(
    model: Model,
    items: Sequence[_Item],
    adapters: Sequence[UsedAdapter],
    plugins: Registry,
    options: Mapping[str, Any],
    preview_every: int,
) -> Iterator[Event]:
    latents, how = yield from _denoised(model, items, adapters, plugins, preview_every)
    shared = record_of(model, [item.request for item in items], options, how.adapters, plugins)
    asked = [request_record(item.request) for item in items]
    for place, (item, made) in enumerate(zip(items, latents, strict=True)):
        try:
            if isinstance(made, Exception):
                raise made
            wave = yield from _decoded(model, item, made)
        except UserError as e:
            yield Failed(item.index, e)
            continue
        wave, level_notes = finished(wave, item.request, item.song)
        backend = backend_record(model.backend) | how.made_by
        record = {"request": asked[place], "schedule": item.times, **shared, "backend": backend}
        record |= {"batch": {"requests": asked, "place": place, "at_once": how.at_once}} if len(asked) > 1 else {}
        notes = [*item.words.notes, *how.notes, *level_notes, *model.notes()]
        yield Made(item.index, Clip(wave, record | {"audio": audio_record(wave), "notes": notes}), item.request)


@dataclass(frozen=True)
class _How:
    """How the items of a group went through the model; holds none of it, so that it can be let go of."""

    adapters: Sequence[UsedAdapter]
    at_once: int
    notes: list[str]
    made_by: Mapping[str, Any]


def _denoised(
    model: Model, items: Sequence[_Item], adapters: Sequence[UsedAdapter], plugins: Registry, preview_every: int
) -> "Generator[Event, None, tuple[list[Any], _How]]":
    """Returns the latents of each item, or the error it ended with."""
    dit = model.dit
    with model.adapters.heard(adapters, plugins) as heard:
        prepared = PreparedOnce(dit)
        courses = [_course(model, item, prepared) for item in items]
        works = [_work(dit, item, course) for item, course in zip(items, courses, strict=True)]
        together = Together(dit, works, lambda short: model.alone("dit", short))
        for _ in together.rounds():
            for item in items:
                yield from _told(model, item, preview_every)
    made = [e or _finite(dit, x) for x, e in zip(together.results, together.errors, strict=True)]
    made_by = {"device": dit.device_name, "dtype": dit.dtype_name, **dit.about}
    return made, _How(heard, together.at_once, together.notes, made_by)


def _course(model: Model, item: _Item, prepared: PreparedOnce) -> Course:
    dit, request, task, frames, times = model.dit, item.request, item.request.task, item.frames, item.times
    contexts = [context_of(task, item.song, dit, frames, request.reference_mode), dit.text2music_context(frames)]
    heard = []
    for condition, context in zip(conditions(model, item.words, item.timbre), contexts, strict=False):
        null = prepared.null(len(condition)) if request.guidance != 1 else None
        heard.append(Heard(prepared.condition(condition), context, null))
    kept = None
    if isinstance(task, Repaint):
        inside = inside_of(item.song.region, frames)[:, None].astype("float32")
        clean = fitted(item.song.latents, dit, frames)
        kept = Kept(dit.array(clean), dit.array(inside), task.held, task.fade_frames)
    return Course(
        times=times,
        heard=heard[0],
        then=heard[1] if len(heard) > 1 else None,
        then_from=int((len(times) - 1) * share_heard(request)),
        guidance=request.guidance,
        kind=request.guidance_kind or "apg",
        interval=(request.guidance_start, request.guidance_end),
        clamp=request.velocity_clamp,
        ema=request.velocity_ema,
        kept=kept,
    )


def _work(dit: Any, item: _Item, course: Course) -> Callable[[Callable], Any]:
    """The item's way from noise to latents, given somebody who answers with velocities."""
    request, frames, seed = item.request, item.frames, item.request.seed
    noise = x = dit.noise(seed, frames)
    if isinstance(request.task, Cover) and request.task.cover_noise:
        x = noise * course.times[0] + dit.array(fitted(item.song.latents, dit, frames)) * (1 - course.times[0])
    draws = (dit.noise(derived_seed(seed, f"solver {i}"), frames) for i in range(10**9))
    done = item.steps_done
    return lambda look: denoise(look, course, item.solver, noise, draws, x, lambda i, about: done.append((i, about)))


def _told(model: Model, item: _Item, preview_every: int) -> Iterator[Event]:
    """What happened to an item since it was last asked."""
    total = len(item.times) - 1
    while item.steps_done:
        step, estimate = item.steps_done.pop(0)
        yield Progress(item.index, "steps", step + 1, total)
        if preview_every and (step + 1) % preview_every == 0 and step + 1 < total:
            wave, _ = finished(model.codec.decode(estimate()), item.request, item.song)
            yield Preview(item.index, step + 1, wave)


def _decoded(model: Model, item: _Item, latents: Any) -> "Generator[Event, None, np.ndarray]":
    """Returns the wave [2, S]. Where memory is short, the codec tries again alone."""
    import numpy as np

    while True:
        pieces, done = [], 0
        try:
            for piece in model.codec.pieces(latents):
                pieces.append(piece)
                done += piece.shape[1] // HOP
                yield Progress(item.index, "decode", done, len(latents))
            return np.concatenate(pieces, axis=1)
        except OutOfMemory as e:
            if not model.alone("codec", e):
                raise


def _finite(dit: Any, latents: Any) -> Any:
    """The latents, or an error if they are not numbers."""
    import numpy as np

    if np.isfinite(dit.numpy(latents)).all():
        return latents
    hint = "try -o backend.dtype=float32 or scale down adapters"
    return UserError("The model produced NaN or infinite latents", hint)
