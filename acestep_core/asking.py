"""Asks plugins about one song and writes each answer beside it at once, or has another process write it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from acestep_core.answers import Value
from acestep_core.api import Annotator, Transcriber
from acestep_core.data import CHECKS, FIELDS, Problem, Song
from acestep_core.errors import FatalError, UserError, raise_all
from acestep_core.files import decode_text
from acestep_core.lyrics import clean_lyrics, has_times
from acestep_core.section_tags import has_tags, with_tags
from acestep_core.sidecars import (
    NOTHING,
    Policy,
    Unknown,
    asker_of,
    checked,
    read_marks,
    sidecar,
    take,
    write_labels,
    write_tagged,
)

Worker = Transcriber | Annotator


@dataclass(frozen=True)
class Answer:
    """What a plugin found of a song, and did not know; or lyrics that got section tags from it."""

    plugin: str
    values: Mapping[str, Value] = field(default_factory=dict)
    unknown: Unknown = field(default_factory=lambda: NOTHING)
    tagged: str | None = None

    def write(self, song: Song) -> None:
        """Write it beside the song, which then has it too."""
        if self.tagged is None:
            write_labels(song, self.values, self.plugin, self.unknown)
        else:
            write_tagged(song, self.tagged, self.plugin)


@dataclass(frozen=True)
class Prepared:
    """One song dealt with: `what` is filled (these fields), kept (nothing to ask), failed, or stopped.

    Stopped is one that met an error the others would meet as well. `unwritten` are answers that whoever asked for them
    has yet to write.
    """

    song: Song
    what: str
    number: int
    total: int
    filled: tuple[str, ...] = ()
    problem: Problem | None = None
    unwritten: tuple[Answer, ...] = ()


@dataclass(frozen=True)
class Job:
    """The plugins in the order they are asked, what they may do, and what becomes of an answer."""

    workers: tuple[Worker, ...]
    fields: tuple[str, ...]
    policy: Policy
    language: str | None = None
    add_tags: bool = False
    keep: Callable[[Answer, Song], None] = Answer.write

    def asked(self, worker: Worker, song: Song, taken: Sequence[str] = ()) -> list[str]:
        """The fields to ask this plugin for; those `taken` were found in this run."""
        if self.add_tags:
            return [] if song.instrumental or has_tags(song.lyrics) else ["lyrics"]
        marks, fields = read_marks(song), ("lyrics",) if isinstance(worker, Transcriber) else self.fields
        return [f for f in fields if f not in taken and self.policy.asks(asker_of(worker), f, song, marks)]


def prepare(song: Song, job: Job) -> Prepared:
    filled: list[str] = []
    asked = False
    try:
        for worker in job.workers:
            fields = job.asked(worker, song, filled)
            if fields:
                asked = True
                filled += _ask(worker, song, fields, job)
    except FatalError as e:
        return Prepared(song, "stopped", 0, 0, tuple(filled), Problem(e.problem, e.hint))
    except UserError as e:
        return Prepared(song, "failed", 0, 0, tuple(filled), Problem(e.problem, e.hint))
    except (Exception, SystemExit) as e:  # isolation wall: per-song loop
        problem = Problem(f"{type(e).__name__}: {e}", f"report it to the makers of {worker.name}")
        return Prepared(song, "failed", 0, 0, tuple(filled), problem)
    return Prepared(song, "filled" if asked else "kept", 0, 0, tuple(filled))


def prepare_unwritten(song: Song, job: Job) -> Prepared:
    """As `prepare`, but writes nothing: the answers come with the result, for `written`."""
    answers: list[Answer] = []

    def keep(answer: Answer, song: Song) -> None:
        answers.append(answer)
        take(song, answer.values, answer.plugin)

    return replace(prepare(song, replace(job, keep=keep)), unwritten=tuple(answers))


def written(done: Prepared, song: Song) -> Prepared:
    """The result with its answers written beside `song`."""
    try:
        for answer in done.unwritten:
            answer.write(song)
    except (UserError, OSError) as e:
        problem = Problem(e.problem, e.hint) if isinstance(e, UserError) else Problem(f"{type(e).__name__}: {e}")
        return Prepared(song, "failed", 0, 0, problem=problem)
    return replace(done, song=song, unwritten=())


def _ask(worker: Worker, song: Song, fields: list[str], job: Job) -> list[str]:
    """Ask one plugin and write its answer at once, so that a later failure costs nothing that was paid for."""
    if job.add_tags and isinstance(worker, Transcriber):
        return _add_tags(worker, song, job)
    answer = _heard(worker, song, job) if isinstance(worker, Transcriber) else worker.annotate(song, tuple(fields))
    extra = [n for n in answer if n not in fields and n == "language" and _is_open(song, n)]
    values, errors = checked(answer, [*fields, *(extra if isinstance(worker, Transcriber) else [])], worker.name)
    tried = {name for name in fields if name in answer and name not in values} if errors else set()
    unknown = {asker_of(worker): [f for f in fields if f not in values and f not in tried]}
    job.keep(Answer(worker.name, values, unknown), song)
    raise_all(errors, worker.name)
    return [f for f in FIELDS if f in values]


def _is_open(song: Song, name: str) -> bool:
    """Whether nobody gave the field yet, nor took it away."""
    return name not in song.sources and not read_marks(song).accepted(song, name)


def _add_tags(worker: Transcriber, song: Song, job: Job) -> list[str]:
    path = sidecar(song.path, ".lyrics.txt")
    if path.is_file() and has_times(decode_text(path.read_bytes())):
        raise UserError(f"{path.name} holds times, which would be lost", f"rename it to {song.path.stem}.lrc")
    tagged = with_tags(song.lyrics, worker.add_tags(song.path, song.lyrics), worker.name)
    job.keep(Answer(worker.name, tagged=tagged), song)
    return ["lyrics"]


def _heard(worker: Transcriber, song: Song, job: Job) -> dict[str, Value]:
    hint = job.language or (song.language if "language" in song.sources else None)
    heard = worker.transcribe(song.path, language=hint)
    found = {"lyrics": Value(clean_lyrics(heard.text).text, heard.confidence)}
    try:
        code = CHECKS["language"](heard.language) if heard.language else "unknown"
        return found | ({} if code == "unknown" else {"language": Value(code, heard.language_confidence)})
    except ValueError:  # a language the model has no word for: the lyrics are good all the same
        return found
