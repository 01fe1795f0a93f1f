"""Runs transcribers and annotators over the songs of a folder and writes what they find beside each song.

The sidecars are the state: a run that was stopped, killed or met errors is gone on with by running it again, and
nothing is asked twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.api import Annotator, Executor, Transcriber
from acestep_core.asking import Job, Prepared, Worker
from acestep_core.bench import Recipe
from acestep_core.data import CHECKS, FIELDS, Problem, Song, names, usable
from acestep_core.errors import UserError, raise_all
from acestep_core.labelling import elsewhere, here, label
from acestep_core.local import executor_of
from acestep_core.options import nearest, options_of
from acestep_core.registry import Registry, registry
from acestep_core.scan import TxtMeaning, scan_folder
from acestep_core.sidecars import Policy, overwrite_fields

ANNOTATED = tuple(f for f in FIELDS if f != "lyrics")


@dataclass
class PrepareResult:
    """Fields filled by name of song, songs that cost nothing, problems by name; `stopped` by Ctrl-C.

    `ended` is an error that every song would have met, such as a refused key; `not_asked` are the songs left then, or
    after Ctrl-C.
    """

    folder: Path
    filled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stopped: bool = False
    ended: Problem | None = None
    not_asked: list[str] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        """As plain JSON types."""
        problems = {k: [str(p) for p in v] for k, v in self.problems.items()}
        return {"folder": str(self.folder), "filled": self.filled, "kept": self.kept, "problems": problems,
                "notes": self.notes, "stopped": self.stopped, "not_asked": self.not_asked,
                "ended": str(self.ended) if self.ended else None}  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """What a plugin would be asked about a song, and what that may cost and last, if it can say.

    `at_once` is how many songs the plugin works on at a time, None where only `jobs` limits it.
    """

    name: str
    plugin: str
    fields: tuple[str, ...]
    cost_usd: float | None = None
    wall_s: float | None = None
    at_once: int | None = None


def process_folder(
    folder: str | Path,
    *,
    transcriber: str | Transcriber | None = None,
    annotators: Sequence[str | Annotator] = (),
    fields: Sequence[str] = ANNOTATED,
    language: str | None = None,
    add_tags: bool = False,
    jobs: int = 1,
    overwrite: Sequence[str] = (),
    again: bool = False,
    txt: TxtMeaning = "lyrics",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    plugins: Registry | None = None,
    executor: str | Executor | None = None,
    on_song: Callable[[Prepared], None] = lambda done: None,
) -> PrepareResult:
    """Ask the transcriber for lyrics, then the annotators in their order for `fields`, song by song.

    With `add_tags` the transcriber puts section tags into lyrics that are there and have none, and changes no word.

    The first plugin that knows a field fills it. What a person wrote stays unless `overwrite` names the field;
    `again` asks once more for what plugins gave or did not know. `jobs` songs are worked on at a time, in threads.
    `options` has a table by plugin name; 'transcriber', and 'annotator' where there is one, do as well. An executor
    other than this process, with its options under 'executor', has `jobs` songs at a time on each of its workers.
    """
    registered = plugins or registry()
    runner = executor_of(executor, options, registered)
    options = {k: v for k, v in (options or {}).items() if k != "executor"}
    with _job(transcriber, annotators, fields, language, overwrite, again, options, plugins, add_tags) as (job, notes):
        found = scan_folder(Path(folder), txt)
        called = names(found.songs)
        result = PrepareResult(Path(folder), problems={called[s.path]: s.problems for s in found.songs if s.problems})
        result.notes = [*map(str, found.problems), *found.notes, *(_without_words(found.songs) if add_tags else [])]

        def tell(done: Prepared) -> None:
            _note(done, called[done.song.path], result)
            on_song(done)

        asked = ([transcriber] if transcriber is not None else []) + list(annotators)
        bench = here(job, jobs, lambda: _recipe(asked, job, jobs, registered))
        result.stopped, ended = label(usable(found.songs), bench, runner, tell)
        result.ended = result.ended or ended
        dealt_with = {*result.filled, *result.kept, *result.problems}
        result.not_asked = sorted({*called.values()} - dealt_with | {*result.not_asked})
    result.filled, result.kept = dict(sorted(result.filled.items())), sorted(result.kept)
    result.notes += [*notes, *runner.notes()]
    return result


def plan_folder(
    folder: str | Path,
    *,
    transcriber: str | Transcriber | None = None,
    annotators: Sequence[str | Annotator] = (),
    fields: Sequence[str] = ANNOTATED,
    language: str | None = None,
    add_tags: bool = False,
    overwrite: Sequence[str] = (),
    again: bool = False,
    txt: TxtMeaning = "lyrics",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    plugins: Registry | None = None,
) -> list[Planned]:
    """What `process_folder` would ask at most, without asking.

    A plugin's `estimate(audio)` has `cost_usd` and may have `wall_s`; its `at_once`, if any, limits songs at a time.
    """
    with _job(transcriber, annotators, fields, language, overwrite, again, options, plugins, add_tags) as (job, _):
        songs = usable(scan_folder(Path(folder), txt).songs)
        called = names(songs)
        asked = [(s, w, tuple(job.asked(w, s))) for s in songs for w in job.workers]
        return [_planned(called[s.path], s, w, fields) for s, w, fields in asked if fields]


def wall_s_of(plan: Sequence[Planned], jobs: int) -> float | None:
    """About how long a plan lasts with so many songs at a time; None where no plugin can say."""
    known = [p for p in plan if p.wall_s is not None]
    if not known:
        return None
    songs, plugins = dict[str, float](), dict[str, float]()
    for p in known:
        wall_s = p.wall_s or 0.0
        songs[p.name] = songs.get(p.name, 0.0) + wall_s
        plugins[p.plugin] = plugins.get(p.plugin, 0.0) + wall_s / min(jobs, p.at_once or jobs)
    return max(sum(songs.values()) / jobs, *songs.values(), *plugins.values())


def _planned(name: str, song: Song, worker: Worker, fields: tuple[str, ...]) -> Planned:
    estimate = getattr(worker, "estimate", None)
    found = None if estimate is None else estimate(song.path)
    cost, wall_s = (None if (v := getattr(found, n, None)) is None else float(v) for n in ("cost_usd", "wall_s"))
    return Planned(name, worker.name, fields, cost, wall_s, getattr(worker, "at_once", None))


def _without_words(songs: Sequence[Song]) -> list[str]:
    silent = [s.path.name for s in usable(songs) if s.instrumental]
    return [f"No lyrics to put tags into: {', '.join(silent)}"] if silent else []


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
    add_tags: bool,
) -> Iterator[tuple[Job, list[str]]]:
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
        if add_tags:
            _refuse_beside_tags(made, replaced, again)
        policy = Policy(tuple(w.name for w in made), replaced, again)
        yield Job(tuple(made), wanted, policy, language, add_tags), closing
    finally:
        for worker in made:
            _close(worker, closing)


def _refuse_beside_tags(made: Sequence[Worker], replaced: Sequence[str], again: bool) -> None:
    """Adding tags asks a transcriber that can, for what is not there; there is nothing to replace."""
    if len(made) != 1 or not isinstance(made[0], Transcriber):
        raise UserError("Section tags are added by a transcriber alone", "leave out the annotators")
    if type(made[0]).add_tags is Transcriber.add_tags:
        made[0].add_tags(Path(), "")
    if replaced or again:
        raise UserError("Lyrics that have section tags keep them, so nothing is replaced or asked again",
                        "leave out --overwrite and --again, or remove the tags first")  # fmt: skip


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


def _recipe(asked: Sequence[Any], job: Job, jobs: int, plugins: Registry) -> Recipe:
    """How the plugins of a job are made in another process, which has to have them too."""
    made = [w.name for w, name in zip(job.workers, asked, strict=True) if not isinstance(name, str)]
    if made:
        raise UserError(f"'{made[0]}' was made in this process and cannot be sent to others", "give its name")
    used = [("transcribers" if isinstance(w, Transcriber) else "annotators", n)
            for w, n in zip(job.workers, asked, strict=True)]  # fmt: skip
    options = [{name: getattr(w, name) for name in options_of(type(w))} for w in job.workers]
    named = [(kind, plugins.find(kind, name).qualified, o) for (kind, name), o in zip(used, options, strict=True)]
    given = {"plugins": named, "at_once": jobs, "fields": job.fields, "policy": job.policy, "language": job.language,
             "add_tags": job.add_tags}  # fmt: skip
    return Recipe.of(elsewhere, given, used, plugins)


def _close(worker: Worker, closing: list[str]) -> None:
    try:
        worker.close()
    except (Exception, SystemExit) as e:  # isolation wall: what was found stays found
        closing.append(f"{worker.name} failed while it was closed: {type(e).__name__}: {e}")


def _note(done: Prepared, name: str, result: PrepareResult) -> None:
    if done.what == "stopped":
        result.ended = result.ended or done.problem
        result.not_asked.append(name)
    elif done.problem is not None:
        result.problems.setdefault(name, []).append(done.problem)
    elif done.what == "kept":
        result.kept.append(name)
    if done.filled or done.what == "filled":
        result.filled[name] = done.filled
