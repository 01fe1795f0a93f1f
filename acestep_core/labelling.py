"""The work of `transcribe` and `annotate` on a folder: songs are asked about by whatever executor there is."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from acestep_core.api import Executor
from acestep_core.asking import Job, Prepared, prepare, prepare_unwritten, written
from acestep_core.bench import Bench, Recipe
from acestep_core.data import Problem, Song
from acestep_core.errors import FatalError
from acestep_core.registry import registry


class Labelling(Bench):
    """Plugins that songs are asked about; once one met an error that all would meet, no other is begun."""

    patient = True

    def __init__(
        self, job: Job, at_once: int, ask: Callable[[Song, Job], Prepared], recipe: Callable[[], Recipe] | None = None
    ):
        self.job, self.at_once = job, at_once
        self._ask, self._recipe = ask, recipe
        self._ended = False

    def work(self, units: Sequence[Song]) -> Iterator[Prepared | None]:
        """What was done with each song; None for one that was not begun."""
        for song in units:
            done = None if self._ended else self._ask(song, self.job)
            self._ended = self._ended or (done is not None and done.what == "stopped")
            yield done

    def recipe(self) -> Recipe:
        return self._recipe() if self._recipe else super().recipe()

    def close(self) -> None:
        for worker in self.job.workers:
            worker.close()


def here(job: Job, at_once: int, recipe: Callable[[], Recipe]) -> Labelling:
    """Writes each answer at once."""
    return Labelling(job, at_once, prepare, recipe)


def elsewhere(plugins: Sequence[tuple[str, str, Mapping[str, Any]]], at_once: int, **about: Any) -> Labelling:
    """Made of a recipe: kind, name and options of each plugin. The answers come with the results, for whoever asked."""
    workers = tuple(registry().load(kind, name)(**options) for kind, name, options in plugins)
    return Labelling(Job(workers, **about), at_once, prepare_unwritten)


def label(
    songs: Sequence[Song], bench: Labelling, executor: Executor, tell: Callable[[Prepared], None]
) -> tuple[bool, Problem | None]:
    """Tell of songs as they get done, first those that cost nothing: (whether Ctrl-C stopped it, what ended it).

    Those begun come to their end then, and no other is begun; likewise after an error that all would meet.
    """
    run = _Run(songs, bench.job, tell)
    try:
        run.take(executor.run(bench, run.asked, run.stop) if run.asked else iter(()))
    except KeyboardInterrupt:
        run.stop.set()
        run.take(run.coming)
        return True, None
    except FatalError as e:
        return False, Problem(e.problem, e.hint)
    return False, None


class _Run:
    """Counts the songs of one run, and tells of each under its number."""

    def __init__(self, songs: Sequence[Song], job: Job, tell: Callable[[Prepared], None]):
        self.stop = threading.Event()
        self.coming: Iterator[tuple[int, Any]] = iter(())
        self._tell, self._told, self._total = tell, 0, len(songs)
        busy = [any(job.asked(w, s) for w in job.workers) for s in songs]
        self.asked = [s for s, asked in zip(songs, busy, strict=True) if asked]
        for song in (s for s, asked in zip(songs, busy, strict=True) if not asked):
            self._number(Prepared(song, "kept", 0, 0))

    def take(self, coming: Iterator[tuple[int, Any]]) -> None:
        self.coming = coming
        for index, made in coming:
            if made is None:
                continue
            song = self.asked[index]
            done = Prepared(song, "failed", 0, 0, problem=made) if isinstance(made, Problem) else written(made, song)
            if done.what == "stopped":
                self.stop.set()
            self._number(done)

    def _number(self, done: Prepared) -> None:
        self._told += 1
        self._tell(replace(done, number=self._told, total=self._total))
