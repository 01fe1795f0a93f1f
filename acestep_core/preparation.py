"""Runs transcribers and annotators over the songs of a folder and writes what they find beside each song.

The sidecars are the state: a run that was stopped, killed or met errors is gone on with by running it again, and
nothing is asked twice.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from acestep_core.api import Annotator, Transcriber, Value
from acestep_core.data import CHECKS, FIELDS, Problem, Song, names, usable
from acestep_core.errors import UserError, raise_all
from acestep_core.lyrics import clean_lyrics
from acestep_core.options import nearest
from acestep_core.registry import Registry, registry
from acestep_core.scan import TxtMeaning, scan_folder
from acestep_core.sidecars import Policy, asker_of, checked, overwrite_fields, read_marks, write_labels

ANNOTATED = tuple(f for f in FIELDS if f != "lyrics")
Worker = Transcriber | Annotator


@dataclass(frozen=True)
class Prepared:
    """One song dealt with: `what` is filled (these fields), kept (nothing to ask) or failed."""

    song: Song
    what: str
    number: int
    total: int
    filled: tuple[str, ...] = ()
    problem: Problem | None = None


@dataclass
class PrepareResult:
    """Fields filled by name of song, songs that cost nothing, problems by name; `stopped` by Ctrl-C."""

    folder: Path
    filled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stopped: bool = False


@dataclass(frozen=True)
class Planned:
    """What a plugin would be asked about a song, and what that may cost, if it can say."""

    name: str
    plugin: str
    fields: tuple[str, ...]
    cost_usd: float | None = None


@dataclass(frozen=True)
class _Job:
    """The plugins in the order they are asked, and what they may do."""

    workers: tuple[Worker, ...]
    fields: tuple[str, ...]
    policy: Policy
    language: str | None

    def asked(self, worker: Worker, song: Song, taken: Sequence[str] = ()) -> list[str]:
        """The fields to ask this plugin for; those `taken` were found in this run."""
        marks, fields = read_marks(song), ("lyrics",) if isinstance(worker, Transcriber) else self.fields
        return [f for f in fields if f not in taken and self.policy.asks(asker_of(worker), f, song, marks)]


def process_folder(
    folder: str | Path,
    *,
    transcriber: str | Transcriber | None = None,
    annotators: Sequence[str | Annotator] = (),
    fields: Sequence[str] = ANNOTATED,
    language: str | None = None,
    jobs: int = 1,
    overwrite: Sequence[str] = (),
    again: bool = False,
    txt: TxtMeaning = "lyrics",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    plugins: Registry | None = None,
    on_song: Callable[[Prepared], None] = lambda done: None,
) -> PrepareResult:
    """Ask the transcriber for lyrics, then the annotators in their order for `fields`, song by song.

    The first plugin that knows a field fills it. What a person wrote stays unless `overwrite` names the field;
    `again` asks once more for what plugins gave or did not know. `jobs` songs are worked on at a time, in threads.
    `options` has a table by plugin name; 'transcriber', and 'annotator' where there is one, do as well.
    """
    with _job(transcriber, annotators, fields, language, overwrite, again, options, plugins) as (job, notes):
        found = scan_folder(Path(folder), txt)
        called = names(found.songs)
        result = PrepareResult(Path(folder), problems={called[s.path]: s.problems for s in found.songs if s.problems})
        result.notes = [*map(str, found.problems), *found.notes]

        def tell(done: Prepared) -> None:
            _note(done, called[done.song.path], result)
            on_song(done)

        result.stopped = _in_parallel(usable(found.songs), job, jobs, tell)
    result.filled, result.kept = dict(sorted(result.filled.items())), sorted(result.kept)
    result.notes += notes
    return result


def plan_folder(
    folder: str | Path,
    *,
    transcriber: str | Transcriber | None = None,
    annotators: Sequence[str | Annotator] = (),
    fields: Sequence[str] = ANNOTATED,
    language: str | None = None,
    overwrite: Sequence[str] = (),
    again: bool = False,
    txt: TxtMeaning = "lyrics",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    plugins: Registry | None = None,
) -> list[Planned]:
    """What `process_folder` would ask at most, without asking. A plugin's `estimate(audio).cost_usd` is the cost."""
    with _job(transcriber, annotators, fields, language, overwrite, again, options, plugins) as (job, _):
        songs = usable(scan_folder(Path(folder), txt).songs)
        called = names(songs)
        asked = [(s, w, tuple(job.asked(w, s))) for s in songs for w in job.workers]
        return [Planned(called[s.path], w.name, fields, _cost(w, s)) for s, w, fields in asked if fields]


def _cost(worker: Worker, song: Song) -> float | None:
    estimate = getattr(worker, "estimate", None)
    return None if estimate is None else float(estimate(song.path).cost_usd)


@contextmanager
def _job(
    transcriber: str | Transcriber | None,
    annotators: Sequence[str | Annotator],
    fields: Sequence[str],
    language: str | None,
    overwrite: Sequence[str],
    again: bool,
    options: Mapping[str, Mapping[str, Any]] | None,
    plugins: Registry | None,
) -> Iterator[tuple[_Job, list[str]]]:
    """The plugins made with their options, closed at the end; complaints while closing go into the list."""
    replaced = overwrite_fields(",".join([overwrite] if isinstance(overwrite, str) else overwrite))
    wanted = overwrite_fields(",".join(fields), ANNOTATED)
    chosen = [("transcribers", transcriber)] if transcriber is not None else []
    chosen += [("annotators", a) for a in annotators]
    if not chosen:
        raise UserError("There is nobody to ask", "name a transcriber or an annotator")
    if language is not None:
        language = _language(language)
    made = _made(chosen, options or {}, plugins or registry())
    closing: list[str] = []
    try:
        policy = Policy(tuple(w.name for w in made), replaced, again)
        yield _Job(tuple(made), wanted, policy, language), closing
    finally:
        for worker in made:
            _close(worker, closing)


def _language(code: str) -> str:
    try:
        return CHECKS["language"](code)
    except ValueError as e:
        raise UserError(f"The language '{code}' {e}", "give its two letters") from None


def _made(chosen: Sequence[tuple[str, Any]], options: Mapping[str, Any], plugins: Registry) -> list[Worker]:
    bare = [(kind, c.partition("@")[0] if isinstance(c, str) else c.name) for kind, c in chosen]
    tables = {name for _, name in bare}
    tables |= {kind[:-1] for kind in ("transcribers", "annotators") if [k for k, _ in bare].count(kind) == 1}
    raise_all([UserError(f"No plugin here reads the options '{t}'", nearest(t, tables))
               for t in options if t not in tables], "The options")  # fmt: skip
    made: list[Worker] = []
    for (kind, name), one in zip(bare, chosen, strict=True):
        table = {**(options.get(kind[:-1]) or {}), **(options.get(name) or {})}
        made.append(plugins.make(kind, one[1], table) if isinstance(one[1], str) else one[1])
    return made


def _close(worker: Worker, closing: list[str]) -> None:
    try:
        worker.close()
    except (Exception, SystemExit) as e:  # isolation wall: what was found stays found
        closing.append(f"{worker.name} failed while it was closed: {type(e).__name__}: {e}")


def _in_parallel(songs: Sequence[Song], job: _Job, jobs: int, tell: Callable[[Prepared], None]) -> bool:
    """Tell of songs as they get done, first those that cost nothing; True if Ctrl-C stopped it.

    Those begun come to their end then, and no other is begun.
    """
    stop, total = threading.Event(), len(songs)
    busy = [any(job.asked(w, s) for w in job.workers) for s in songs]
    for number, song in enumerate((s for s, asked in zip(songs, busy, strict=True) if not asked), 1):
        tell(Prepared(song, "kept", number, total))
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        waiting = {pool.submit(_unless, stop, s, job) for s, asked in zip(songs, busy, strict=True) if asked}
        try:
            _tell_all(waiting, total, tell)
        except KeyboardInterrupt:
            stop.set()
            _tell_all(waiting, total, tell)
            return True
        finally:
            stop.set()
    return False


def _tell_all(waiting: "set[Future[Prepared | None]]", total: int, tell: Callable[[Prepared], None]) -> None:
    """Takes each song out of `waiting` when it is told, so that a second call goes on with the rest."""
    for future in as_completed(list(waiting)):
        waiting.remove(future)
        done = future.result()
        if done is not None:
            tell(replace(done, number=total - len(waiting), total=total))


def _unless(stop: threading.Event, song: Song, job: _Job) -> Prepared | None:
    return None if stop.is_set() else _prepare(song, job)


def _prepare(song: Song, job: _Job) -> Prepared:
    filled: list[str] = []
    asked = False
    try:
        for worker in job.workers:
            fields = job.asked(worker, song, filled)
            if fields:
                asked = True
                filled += _ask(worker, song, fields, job)
    except UserError as e:
        return Prepared(song, "failed", 0, 0, tuple(filled), Problem(e.problem, e.hint))
    except (Exception, SystemExit) as e:  # isolation wall: per-song loop
        problem = Problem(f"{type(e).__name__}: {e}", f"report it to the makers of {worker.name}")
        return Prepared(song, "failed", 0, 0, tuple(filled), problem)
    return Prepared(song, "filled" if asked else "kept", 0, 0, tuple(filled))


def _ask(worker: Worker, song: Song, fields: list[str], job: _Job) -> list[str]:
    """Ask one plugin and write its answer at once, so that a later failure costs nothing that was paid for."""
    answer = _heard(worker, song, job) if isinstance(worker, Transcriber) else worker.annotate(song, tuple(fields))
    extra = [n for n in answer if n not in fields and n == "language" and _is_open(song, n)]
    values, errors = checked(answer, [*fields, *(extra if isinstance(worker, Transcriber) else [])], worker.name)
    tried = {name for name in fields if name in answer and name not in values} if errors else set()
    unknown = {asker_of(worker): [f for f in fields if f not in values and f not in tried]}
    write_labels(song, values, worker.name, unknown)
    raise_all(errors, worker.name)
    return [f for f in FIELDS if f in values]


def _is_open(song: Song, name: str) -> bool:
    """Whether nobody gave the field yet, nor took it away."""
    return name not in song.sources and not read_marks(song).accepted(song, name)


def _heard(worker: Transcriber, song: Song, job: _Job) -> dict[str, Value]:
    hint = job.language or (song.language if "language" in song.sources else None)
    heard = worker.transcribe(song.path, language=hint)
    found = {"lyrics": Value(clean_lyrics(heard.text).text)}
    try:
        return found | ({"language": Value(CHECKS["language"](heard.language))} if heard.language else {})
    except ValueError:  # a language the model has no word for: the lyrics are good all the same
        return found


def _note(done: Prepared, name: str, result: PrepareResult) -> None:
    if done.problem is not None:
        result.problems.setdefault(name, []).append(done.problem)
    elif done.what == "kept":
        result.kept.append(name)
    if done.filled or done.what == "filled":
        result.filled[name] = done.filled
