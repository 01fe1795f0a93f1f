"""The actor: a process on some machine that makes the bench and works on the songs it is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from acestep_core.bench import Bench, Recipe
from acestep_core.errors import UserError


@dataclass(frozen=True)
class Refusal:
    """Why a worker cannot work: an error of the user's that another machine has met."""

    problem: str
    hint: str


class Worker:
    """Made with nothing, so that a failure to start is told by `start` and never by the actor's death."""

    def __init__(self) -> None:
        self._bench: list[Bench] = []

    def start(self, recipe: Recipe, first: Any) -> int | Refusal:
        """How many units the bench likes together."""
        try:
            bench = recipe.made(first)
        except UserError as e:
            return Refusal(e.problem, e.hint)
        except (Exception, SystemExit) as e:  # isolation wall: whatever a plugin does while it is made
            return Refusal(f"{type(e).__name__}: {e}", "report it to the makers of the plugin")
        self._bench = [bench]
        return bench.group

    def work(self, units: Sequence[Any]) -> list[Any]:
        return list(self._bench[0].work(units))

    def close(self) -> list[str]:
        """The bench's notes; then it is let go of."""
        found = []
        for bench in self._bench:
            found = bench.notes()
            bench.close()
        self._bench = []
        return found
