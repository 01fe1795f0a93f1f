"""Several items on their way from noise to latents, each with its own solver, sharing the passes through the model."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from acestep_core.errors import OutOfMemory
from acestep_core.parts import DitPart, Look
from acestep_core.suspended import Suspended

Work = Callable[[Callable[[Look], Any]], Any]


class Together:
    """Runs `works`, each a function of `look`, in rounds: what all of them ask for is looked at in one pass.

    `results` and `errors` have an entry per work once `rounds` is at its end. Where memory is short and `make_room` has
    none to make, fewer share a pass, which `notes` tells. Items with different numbers of steps may share; who is done
    drops out.
    """

    def __init__(self, dit: DitPart, works: Sequence[Work], make_room: Callable[[OutOfMemory], bool] = lambda e: False):
        self.at_once = len(works)
        self.notes: list[str] = []
        self.results: list[Any] = [None] * len(works)
        self.errors: list[Exception | None] = [None] * len(works)
        self._dit, self._make_room = dit, make_room
        self._items = [Suspended(work) for work in works]

    def rounds(self) -> Iterator[None]:
        """Stops after every pass through the model. Closing it ends all works where they are."""
        try:
            for item in self._items:
                item.start()
            while waiting := [i for i in self._items if not i.finished]:
                for item, velocity in zip(waiting, self._looked([i.question for i in waiting]), strict=True):
                    item.answer(velocity)
                yield
        finally:
            for item in self._items:
                item.close()
        self.results = [i.result for i in self._items]
        self.errors = [i.error for i in self._items]

    def _looked(self, looks: Sequence[Look]) -> list[Any]:
        done: list[Any] = []
        while len(done) < len(looks):
            some = looks[len(done) : len(done) + self.at_once]
            try:
                done += self._dit.velocities(some)
            except OutOfMemory as e:
                if self._make_room(e):
                    continue
                if len(some) == 1:
                    raise
                self.at_once = len(some) // 2
                self.notes.append(f"{e.problem}: {self.at_once} at once instead of {len(some)}")
        return done
