"""Turns songs into training data: codec latents and the same condition that generation would use."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core import prompts
from acestep_core.audio import SILENCE, read_stereo
from acestep_core.data import LONGEST_S, SHORTEST_S, Problem, Song, names
from acestep_core.dataset import Dataset
from acestep_core.encoded import FORMAT, MANIFEST, read_header, read_song, song_file, write_manifest, write_song
from acestep_core.errors import UserError
from acestep_core.files import text_id
from acestep_core.kohya.subsets import without_variants
from acestep_core.model import PARTS, Model
from acestep_core.observers import Observers
from acestep_core.options import option
from acestep_core.registry import Registry, registry

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class EncodeSettings:
    """What decides the encoded numbers, but for songs and model."""

    seed: int = option(0, "draws the codec's posterior sample, together with the song's id", ge=0)
    min_seconds: float = option(SHORTEST_S, "shorter songs are left out; this is the model's limit", ge=SHORTEST_S)
    max_seconds: float = option(LONGEST_S, "longer songs are left out, never cut", gt=SHORTEST_S, le=LONGEST_S)


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


@dataclass(frozen=True)
class _Work:
    """A song with everything its numbers depend on, as short names."""

    song: Song
    name: str
    caption: str
    texts: tuple[str, str]
    audio_key: str
    text_key: str


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

    A dataset that asks for what training does not do is refused, unless `ignore` names it; the manifest says so.
    What is already there from the same inputs is kept; a song that fails is told and left out. The manifest is
    written last and lists exactly the songs that are ready.
    """
    settings = settings or EncodeSettings()
    dataset = source if isinstance(source, Dataset) else Dataset.open(source)
    ignored = without_variants(dataset, ignore)
    folder = _folder(Path(out))
    observers = Observers((plugins or registry()).manager)
    called = names(dataset.songs)
    result = EncodeResult(folder, problems={called[s.path]: s.problems for s in dataset.songs if s.problems})
    result.warnings = [*ignored] + [
        f"{n}: no lyrics though it has a voice, encoded as instrumental" for n in dataset.without_words()
    ]
    works = [_work(song, called[song.path], caption, model, settings) for song, caption in dataset.captions()]
    _load_parts(works, model, folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    ready = []
    for done in _encoded(works, model, folder, settings):
        work = works[done.number - 1]
        _note(done, work.name, result)
        if done.problem is None:
            ready.append(work)
        if done.what == "encoded":
            observers.notify("acestep_song", song=done.song, folder=folder)
        on_song(done)
    result.warnings += model.notes()
    write_manifest(folder, [_entry(w, folder) for w in ready], _about(model, settings, ignored))
    return result


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(f"{out} cannot be made a folder ({e.strerror})", "give another --out") from e
    return out


def _load_parts(works: list[_Work], model: Model, folder: Path) -> None:
    """A part that cannot be loaded is told once, here, not once for every song."""
    if not all(_keys(w, folder) == (True, True) for w in works):
        for part in PARTS:
            model.part(part)


def _encoded(works: list[_Work], model: Model, folder: Path, settings: EncodeSettings) -> Iterator[Done]:
    """Song by song, or, when the parts take turns on the device, stage by stage in groups."""
    group = 32 if model.one_at_a_time else 1
    number = 0
    for start in range(0, len(works), group):
        latents = {w.song.id: _attempt(_latents, w, model, folder, settings) for w in works[start : start + group]}
        states = {w.song.id: _states(w, model, folder, latents) for w in works[start : start + group]}
        for work in works[start : start + group]:
            number += 1
            yield _finish(work, model, folder, latents[work.song.id], states[work.song.id], number, len(works))


def _work(song: Song, name: str, caption: str, model: Model, settings: EncodeSettings) -> _Work:
    texts = prompts.song_texts(song, caption)
    audio_key = text_id(FORMAT, song.id, model.hashes["codec"], str(settings.seed))
    text_key = text_id(FORMAT, str(prompts.PROMPT_VERSION), *texts, model.hashes["text"], model.hashes["dit"])
    return _Work(song, name, caption, texts, audio_key, text_key)


def _attempt(step: Callable[..., Any], work: _Work, *rest: Any) -> Any:
    """The step's result, or the problem that ended it: one bad song never stops the others."""
    try:
        return step(work, *rest)
    except UserError as e:
        return Problem(e.problem, e.hint)
    except Exception as e:  # isolation wall: per-song loop
        return Problem(f"{type(e).__name__}: {e}", "report this if the file plays elsewhere")


def _latents(work: _Work, model: Model, folder: Path, settings: EncodeSettings) -> "np.ndarray | None":
    """Latents float32 [T, 64]; None when the song's file is complete already."""
    same_audio, same_text = _keys(work, folder)
    if same_audio:
        return None if same_text else read_song(song_file(folder, work.song.id))[0]["latents"]
    _check_length(work.song.duration_s, settings)
    wave = read_stereo(work.song.path)
    if max(wave.max(), -wave.min()) < SILENCE:
        raise UserError("it is silent from start to end", "export it again, or leave it out")
    return model.codec.encode(wave, int(text_id(work.song.id, str(settings.seed)), 16))


def _keys(work: _Work, folder: Path) -> tuple[bool, bool]:
    """Whether the song's file was made from the same audio and from the same text."""
    header = read_header(song_file(folder, work.song.id))
    return header.get("audio_key") == work.audio_key, header.get("text_key") == work.text_key


def _check_length(seconds: float, settings: EncodeSettings) -> None:
    if seconds < settings.min_seconds:
        hint = f"leave it out; --min-seconds can be {SHORTEST_S} at least"
        raise UserError(f"it lasts {seconds:.2f} s, less than {settings.min_seconds:g} s", hint)
    if seconds > settings.max_seconds:
        hint = f"cut it into pieces; --max-seconds can be {LONGEST_S:g} at most"
        raise UserError(f"it lasts {seconds:.2f} s, more than {settings.max_seconds:g} s", hint)


def _states(work: _Work, model: Model, folder: Path, latents: dict[str, Any]) -> Any:
    if latents[work.song.id] is None or isinstance(latents[work.song.id], Problem):
        return None
    return _attempt(lambda w: tuple(_text_states(w, model)), work)


def _text_states(work: _Work, model: Model) -> Iterator[Any]:
    yield prompts.token_warnings(*work.texts, model.text.count, work.name)
    yield model.text.caption(work.texts[0])
    yield model.text.lyrics(work.texts[1])


def _finish(work: _Work, model: Model, folder: Path, latents: Any, states: Any, number: int, total: int) -> Done:
    problem = next((x for x in (latents, states) if isinstance(x, Problem)), None)
    if problem is None and latents is None:
        return Done(work.song, "kept", number, total)
    if problem is None:
        problem = _attempt(lambda w: _write(w, model, folder, latents, states), work)
    if problem is not None:
        return Done(work.song, "failed", number, total, problem)
    return Done(work.song, "encoded", number, total, warnings=tuple(states[0]))


def _write(work: _Work, model: Model, folder: Path, latents: "np.ndarray", states: Any) -> None:
    import numpy as np

    condition = model.dit.numpy(model.dit.condition(states[1], states[2]))
    if not (np.isfinite(latents).all() and np.isfinite(condition).all()):
        raise UserError("the model made NaN or infinite numbers of it", "try -o dtype=float32")
    header = {"audio_key": work.audio_key, "text_key": work.text_key, "name": work.name,
              "caption_text": work.texts[0], "lyric_text": work.texts[1]}  # fmt: skip
    write_song(song_file(folder, work.song.id), latents, condition, header)


def _note(done: Done, name: str, result: EncodeResult) -> None:
    if done.problem is not None:
        result.problems.setdefault(name, []).append(done.problem)
    else:
        (result.encoded if done.what == "encoded" else result.kept).append(name)
    result.warnings += done.warnings


def _entry(work: _Work, folder: Path) -> dict[str, Any]:
    file = song_file(folder, work.song.id).name
    return {"id": work.song.id, "file": file, "name": work.name, "caption": work.caption,
            "duration_s": round(work.song.duration_s, 3), "inputs": text_id(work.audio_key, work.text_key),
            "split": work.song.split, "repeats": work.song.repeats}  # fmt: skip


def _about(model: Model, settings: EncodeSettings, ignored: Sequence[str]) -> dict[str, Any]:
    about = {"model": {"variant": model.info.variant, "hashes": model.hashes}, "settings": asdict(settings)}
    return about | ({"ignored": list(ignored)} if ignored else {})
