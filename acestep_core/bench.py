"""What songs are worked on with: made once by every worker, in this process or on another machine.

An executor takes a bench and units of work. Where its workers are other processes it sends them the bench's recipe.
"""

import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.data import Problem, Song
from acestep_core.errors import UserError
from acestep_core.files import content_id
from acestep_core.provenance import origin
from acestep_core.registry import Registry, registry

_MOUNT = "let every machine have the songs under the same path, such as by a network folder"


class Bench(ABC):
    """Models or services, and what is done to a unit (a song and what else is needed) with them.

    What it makes of a unit depends on nothing but the unit, so it is the same wherever it is done and however often.
    """

    group: int = 1
    """How many units it likes to have together, such as where parts of a model take turns."""
    at_once: int = 1
    """How many threads may call `work` at a time."""
    patient: bool = False
    """Whether units that were begun are brought to their end when somebody stops the run."""

    @abstractmethod
    def work(self, units: Sequence[Any]) -> Iterator[Any]:
        """A result for every unit, in order; that a unit failed is a result too."""

    def song(self, unit: Any) -> Song:
        """The song a unit is about."""
        return unit

    def load(self) -> None:
        """Make ready what all units need, so that what is wrong with it is told once. Called before `work`."""
        return None

    def recipe(self) -> "Recipe":
        """How it is made in another process. Raises `UserError` if it cannot be."""
        raise UserError("This work can be done on this machine alone", "use the executor local")

    def notes(self) -> list[str]:
        """What the user should know since this was last asked."""
        return []

    def close(self) -> None:
        """Let go of what was made for it."""
        return None


@dataclass(frozen=True)
class Recipe:
    """A function, by its module and name, and what it makes the bench of; and what has to be the same where it is made.

    `plugins` maps (kind, name) to the origin of each plugin. Pickled, it may hold secrets: it belongs into no log.
    """

    make: Callable[..., Bench]
    given: Mapping[str, Any] = field(repr=False)
    plugins: Mapping[tuple[str, str], str]
    files: tuple[Path, ...] = ()
    folder: str = field(default_factory=os.getcwd)

    @classmethod
    def of(
        cls, make: Callable[..., Bench], given: Mapping[str, Any], used: Iterable[tuple[str, str]], plugins: Registry
    ) -> "Recipe":
        """A recipe that needs the plugins `used`, pairs of kind and name, as this registry has them."""
        found = [plugins.find(kind, name) for kind, name in used]
        return cls(make, given, {(k.kind, k.qualified): origin(k) for k in found}, tuple(plugins.files()))

    def made(self, first: Any) -> Bench:
        """The bench, in a process that works for another; `first` is a unit to see whether songs can be read here.

        Raises `UserError`, naming this machine, where something is not as it was where the recipe was written.
        """
        here = platform.node()
        try:
            os.chdir(self.folder)  # paths are meant from there
        except OSError as e:
            hint = "run the command in a folder that every machine has, such as that of the songs"
            raise UserError(f"{here} has no folder {self.folder} ({e.strerror})", hint) from None
        for path in self.files:
            registry().add_file(path)
        self._check_plugins(here)
        bench = _Away(self.make(**self.given))
        raise_problem(unreadable(bench.song(first)))
        bench.load()
        return bench

    def _check_plugins(self, here: str) -> None:
        for (kind, name), there in self.plugins.items():
            found = origin(registry().find(kind, name))
            if found != there:
                raise UserError(f"{here} has the {kind[:-1]} '{name}' of {found}, and not of {there}",
                                "install the same packages everywhere, and start the cluster again")  # fmt: skip


class _Away(Bench):
    """A bench in a process that works for another: what is read here must be what the other one has seen."""

    def __init__(self, bench: Bench):
        self._bench = bench
        self.group, self.at_once, self.patient = bench.group, bench.at_once, bench.patient

    def work(self, units: Sequence[Any]) -> Iterator[Any]:
        problems = [unreadable(self.song(u)) for u in units]
        made = self._bench.work([u for u, p in zip(units, problems, strict=True) if p is None])
        for problem in problems:
            yield problem if problem is not None else next(made)

    def song(self, unit: Any) -> Song:
        return self._bench.song(unit)

    def load(self) -> None:
        self._bench.load()

    def notes(self) -> list[str]:
        return self._bench.notes()

    def close(self) -> None:
        self._bench.close()


def unreadable(song: Song) -> Problem | None:
    """What keeps this machine from working on a song that another one has found."""
    here = platform.node()
    try:
        found = content_id(song.path)
    except OSError as e:
        return Problem(f"{here} cannot read {song.path.absolute()} ({e.strerror})", _MOUNT)
    return None if found == song.id else Problem(f"{song.path.absolute()} is another file on {here}", _MOUNT)


def raise_problem(problem: Problem | None) -> None:
    if problem is not None:
        raise UserError(problem.text, problem.remedy)
