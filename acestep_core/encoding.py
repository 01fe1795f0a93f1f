"""Turns songs into training data: codec latents and the same conditions that generation would use."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core import prompts
from acestep_core.audio import SILENCE, read_stereo
from acestep_core.data import LONGEST_S, SHORTEST_S, Problem, Song, names
from acestep_core.dataset import Dataset
from acestep_core.encode_settings import EncodeSettings, check_settings
from acestep_core.encode_work import Work, plain_only, still_notes, works_of
from acestep_core.encoded import MANIFEST
from acestep_core.errors import UserError
from acestep_core.files import text_id
from acestep_core.kohya.variants import applied
from acestep_core.model import PARTS, Model
from acestep_core.observers import Observers
from acestep_core.registry import Registry, registry
from acestep_core.stores import Store, open_store

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Done:
    """One song dealt with: `what` is encoded, kept (was already there) or failed."""

    song: Song
    what: str
    number: int
    total: int
    problem: Problem | None = None
    warnings: tuple[str, ...] = ()


@dataclass
class EncodeResult:
    """Names of songs by outcome, problems by name, and warnings."""

    folder: Path
    encoded: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def encode(
    source: str | Path | Dataset,
    model: Model,
    out: str | Path,
    settings: EncodeSettings | None = None,
    *,
    plugins: Registry | None = None,
    ignore: Collection[str] = (),
    on_song: Callable[[Done], None] = lambda done: None,
) -> EncodeResult:
    """Encode every usable song of a folder, dataset.json, dataset TOML or `Dataset` into `out`.

    A dataset that asks for what cannot be done is refused, unless `ignore` names it; the manifest says so.
    What is already there from the same inputs is kept; a song that fails is told and left out. The manifest is
    written last and lists exactly the songs that are ready.
    """
    settings = settings or EncodeSettings()
    check_settings(settings)
    dataset = source if isinstance(source, Dataset) else Dataset.open(source)
    ignored = applied(dataset, ignore)
    called = names(dataset.songs)
    works = works_of(dataset, model.hashes, settings, called, ignore)
    works, left_out = plain_only(works, dataset, ignore) if settings.format == "reference" else (works, [])
    folder = Path(out)
    store = open_store(folder, settings.format, model)
    observers = Observers((plugins or registry()).manager)
    result = EncodeResult(folder, problems={called[s.path]: s.problems for s in dataset.songs if s.problems})
    result.warnings = [*ignored, *left_out, *still_notes(works)] + [
        f"{n}: no lyrics though it has a voice, encoded as instrumental" for n in dataset.without_words()
    ]
    _load_parts(works, model, store)
    (folder / MANIFEST).unlink(missing_ok=True)
    ready = []
    for done in _encoded(works, model, store, settings):
        work = works[done.number - 1]
        _note(done, work.name, result)
        if done.problem is None:
            ready.append(work.entry(store.file(work.song.id).name, store.frames(work.song.id)))
        if done.what == "encoded":
            observers.notify("acestep_song", song=done.song, folder=folder)
        on_song(done)
    result.warnings += model.notes()
    triggers = sorted({w.tag for w in dataset.wordings() if w.tag})
    store.finish(ready, _about(model, settings, ignored) | {"dataset": dataset.metadata, "triggers": triggers})
    return result


def _load_parts(works: list[Work], model: Model, store: Store) -> None:
    """A part that cannot be loaded is told once, here, not once for every song."""
    if not all(_keys(w, store) == (True, True) for w in works):
        for part in PARTS:
            model.part(part)


def _encoded(works: list[Work], model: Model, store: Store, settings: EncodeSettings) -> Iterator[Done]:
    """Song by song, or, when the parts take turns on the device, stage by stage in groups."""
    group = 32 if model.one_at_a_time else 1
    number = 0
    for start in range(0, len(works), group):
        latents = {w.song.id: _attempt(_latents, w, model, store, settings) for w in works[start : start + group]}
        states = {w.song.id: _states(w, model, store, latents) for w in works[start : start + group]}
        for work in works[start : start + group]:
            number += 1
            yield _finish(work, model, store, latents[work.song.id], states[work.song.id], number, len(works))


def _attempt(step: Callable[..., Any], work: Work, *rest: Any) -> Any:
    """The step's result, or the problem that ended it: one bad song never stops the others."""
    try:
        return step(work, *rest)
    except UserError as e:
        return Problem(e.problem, e.hint)
    except Exception as e:  # isolation wall: per-song loop
        return Problem(f"{type(e).__name__}: {e}", "report this if the file plays elsewhere")


def _latents(work: Work, model: Model, store: Store, settings: EncodeSettings) -> "np.ndarray | None":
    """Latents float32 [T, 64]; None when the song's file is complete already."""
    same_audio, same_text = _keys(work, store)
    if same_audio:
        return None if same_text else store.latents(work.song.id)
    _check_length(work.song.duration_s, settings)
    wave = read_stereo(work.song.path)
    if max(wave.max(), -wave.min()) < SILENCE:
        raise UserError("it is silent from start to end", "export it again, or leave it out")
    return model.codec.encode(wave, int(text_id(work.song.id, str(settings.seed)), 16))


def _keys(work: Work, store: Store) -> tuple[bool, bool]:
    """Whether the song's file was made from the same audio and from the same text."""
    header = store.header(work.song.id)
    return header.get("audio_key") == work.audio_key, header.get("text_key") == work.text_key


def _check_length(seconds: float, settings: EncodeSettings) -> None:
    if seconds < settings.min_seconds:
        hint = f"leave it out; --min-seconds can be {SHORTEST_S} at least"
        raise UserError(f"it lasts {seconds:.2f} s, less than {settings.min_seconds:g} s", hint)
    if seconds > settings.max_seconds:
        hint = f"cut it into pieces; --max-seconds can be {LONGEST_S:g} at most"
        raise UserError(f"it lasts {seconds:.2f} s, more than {settings.max_seconds:g} s", hint)


def _states(work: Work, model: Model, store: Store, latents: dict[str, Any]) -> Any:
    if latents[work.song.id] is None or isinstance(latents[work.song.id], Problem):
        return None
    return _attempt(lambda w: tuple(_text_states(w, model)), work)


def _text_states(work: Work, model: Model) -> Iterator[Any]:
    """Warnings, then the states of every caption and of every lyric text by the text."""
    first = work.conditions[0]
    yield prompts.token_warnings(first.caption, first.lyrics, model.text.count, work.name)
    yield {text: model.text.caption(text) for text in dict.fromkeys(c.caption for c in work.conditions)}
    yield {text: model.text.lyrics(text) for text in dict.fromkeys(c.lyrics for c in work.conditions)}


def _finish(work: Work, model: Model, store: Store, latents: Any, states: Any, number: int, total: int) -> Done:
    problem = next((x for x in (latents, states) if isinstance(x, Problem)), None)
    if problem is None and latents is None:
        return Done(work.song, "kept", number, total)
    if problem is None:
        problem = _attempt(lambda w: _write(w, model, store, latents, states), work)
    if problem is not None:
        return Done(work.song, "failed", number, total, problem)
    return Done(work.song, "encoded", number, total, warnings=tuple(states[0]))


def _write(work: Work, model: Model, store: Store, latents: "np.ndarray", states: Any) -> None:
    import numpy as np

    _, captions, lyrics = states
    conditions = {c.name: model.dit.numpy(model.dit.condition(captions[c.caption], lyrics[c.lyrics]))
                  for c in work.conditions}  # fmt: skip
    if not all(np.isfinite(a).all() for a in (latents, *conditions.values())):
        raise UserError("the model made NaN or infinite numbers of it", "try -o dtype=float32")
    store.write(work.song, work.prompts[0].caption, latents, conditions, work.header)


def _note(done: Done, name: str, result: EncodeResult) -> None:
    if done.problem is not None:
        result.problems.setdefault(name, []).append(done.problem)
    else:
        (result.encoded if done.what == "encoded" else result.kept).append(name)
    result.warnings += done.warnings


def _about(model: Model, settings: EncodeSettings, ignored: Sequence[str]) -> dict[str, Any]:
    about = {"model": {"variant": model.info.variant, "hashes": model.hashes}, "settings": asdict(settings)}
    return about | ({"ignored": list(ignored)} if ignored else {})
