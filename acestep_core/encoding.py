"""Turns songs into training data: codec latents and the same conditions that generation would use."""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from acestep_core.api import Executor
from acestep_core.data import Problem, Song, names
from acestep_core.dataset import Dataset
from acestep_core.encode_bench import Encoded, Encoding, Unit, attempt
from acestep_core.encode_settings import EncodeSettings, check_settings
from acestep_core.encode_work import Work, plain_only, still_notes, works_of
from acestep_core.encoded import MANIFEST
from acestep_core.files import write_bytes
from acestep_core.kohya.variants import applied
from acestep_core.local import executor_of
from acestep_core.model import Model
from acestep_core.observers import Observers
from acestep_core.registry import Registry, registry
from acestep_core.stores import Store, open_store


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

    def describe(self) -> dict[str, Any]:
        """As plain JSON types."""
        problems = {k: [str(p) for p in v] for k, v in self.problems.items()}
        return {"out": str(self.folder), "encoded": self.encoded, "kept": self.kept, "problems": problems,
                "warnings": self.warnings}  # fmt: skip


def encode(
    source: str | Path | Dataset,
    model: Model,
    out: str | Path,
    settings: EncodeSettings | None = None,
    *,
    plugins: Registry | None = None,
    ignore: Collection[str] = (),
    executor: str | Executor | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    on_song: Callable[[Done], None] = lambda done: None,
) -> EncodeResult:
    """Encode every usable song of a folder, dataset.json, dataset TOML or `Dataset` into `out`.

    A dataset that asks for what cannot be done is refused, unless `ignore` names it; the manifest says so.
    What is already there from the same inputs is kept; a song that fails is told and left out. The manifest is
    written last and lists exactly the songs that are ready. Unless an executor is given, with its options in a table
    'executor', this process does it all.
    """
    settings, registered = settings or EncodeSettings(), plugins or registry()
    runner = executor_of(executor, options, registered)
    check_settings(settings)
    dataset = source if isinstance(source, Dataset) else Dataset.open(source)
    ignored = applied(dataset, ignore)
    called = names(dataset.songs)
    works = works_of(dataset, model.hashes, settings, called, ignore)
    works, left_out = plain_only(works, dataset, ignore) if settings.format == "reference" else (works, [])
    folder = Path(out)
    store = open_store(folder, settings.format, model)
    observers = Observers(registered.manager)
    result = EncodeResult(folder, problems={called[s.path]: s.problems for s in dataset.songs if s.problems})
    result.warnings = [*ignored, *left_out, *still_notes(works)] + [
        f"{n}: no lyrics though it has a voice, encoded as instrumental" for n in dataset.without_words()
    ]
    ready = {}
    bench = Encoding(model, settings, registered)
    for number, (index, made) in enumerate(_encoded(works, bench, store, runner), 1):
        if made is not None:
            (folder / MANIFEST).unlink(missing_ok=True)
        work = works[index]
        done = _finished(work, made, store, number, len(works))
        _note(done, work.name, result)
        if done.problem is None:
            ready[index] = work.entry(store.file(work.song.id).name, store.frames(work.song.id))
        if done.what == "encoded":
            observers.notify("acestep_song", song=done.song, folder=folder)
        on_song(done)
    result.warnings += [*bench.notes(), *runner.notes()]
    triggers = sorted({w.tag for w in dataset.wordings() if w.tag})
    about = _about(model, settings, ignored) | {"dataset": dataset.metadata, "triggers": triggers}
    store.finish([ready[n] for n in sorted(ready)], about)
    return result


def _encoded(
    works: Sequence[Work], bench: Encoding, store: Store, executor: Executor
) -> Iterator[tuple[int, Encoded | Problem | None]]:
    """(index of a work, what was made of it) as they get done; None for the complete ones, each in its turn."""
    same = [_keys(w, store) for w in works]
    fresh = [n for n, keys in enumerate(same) if keys != (True, True)]
    kept = deque(n for n, keys in enumerate(same) if keys == (True, True))
    units = _Units([works[n] for n in fresh], [same[n][0] for n in fresh], store)
    for number, outcome in executor.run(bench, units, Event()) if fresh else ():
        while kept and kept[0] < fresh[number]:
            yield kept.popleft(), None
        yield fresh[number], outcome
    yield from ((n, None) for n in kept)


@dataclass(frozen=True)
class _Units(Sequence[Unit]):
    """Works to send to a bench; what is there of them is read when one is asked for."""

    works: Sequence[Work]
    same_audio: Sequence[bool]
    store: Store

    def __len__(self) -> int:
        return len(self.works)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[n] for n in range(len(self))[index]]
        work, same = self.works[index], self.same_audio[index]
        return Unit(work, attempt(self.store.latents, work.song.id) if same else None)


def _keys(work: Work, store: Store) -> tuple[bool, bool]:
    """Whether the song's file was made from the same audio and from the same text."""
    header = store.header(work.song.id)
    return header.get("audio_key") == work.audio_key, header.get("text_key") == work.text_key


def _finished(work: Work, made: Encoded | Problem | None, store: Store, number: int, total: int) -> Done:
    if made is None:
        return Done(work.song, "kept", number, total)
    problem = made if isinstance(made, Problem) else attempt(write_bytes, store.file(work.song.id), made.content)
    if problem is not None:
        return Done(work.song, "failed", number, total, problem)
    return Done(work.song, "encoded", number, total, warnings=made.warnings)


def _note(done: Done, name: str, result: EncodeResult) -> None:
    if done.problem is not None:
        result.problems.setdefault(name, []).append(done.problem)
    else:
        (result.encoded if done.what == "encoded" else result.kept).append(name)
    result.warnings += done.warnings


def _about(model: Model, settings: EncodeSettings, ignored: Sequence[str]) -> dict[str, Any]:
    about = {"model": {"variant": model.info.variant, "hashes": model.hashes}, "settings": asdict(settings)}
    return about | ({"ignored": list(ignored)} if ignored else {})
