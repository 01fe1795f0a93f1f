"""Errors meant for a person: one sentence that names the thing at fault, and a hint that mends it."""

from collections.abc import Iterable, Mapping
from typing import Any


class UserError(Exception):
    """Something the user can mend. Shown without a traceback; exit code 1.

    `problem` is one sentence; `hint` is a command or a value to try.
    """

    def __init__(self, problem: str, hint: str = ""):
        self.problem = problem.rstrip()
        self.hint = hint.rstrip()
        super().__init__(self.problem, self.hint)

    def __str__(self) -> str:
        return f"{self.problem}\n  {self.hint}" if self.hint else self.problem

    def as_plain(self) -> dict[str, str]:
        """For JSON, which `from_plain` reads."""
        return {"problem": self.problem, "hint": self.hint}

    @classmethod
    def from_plain(cls, told: Mapping[str, Any]) -> "UserError":
        """Raises `KeyError` for what tells no problem."""
        return cls(told["problem"], told.get("hint") or "")


class FatalError(UserError):
    """One that every other song would meet as well, such as a refused key: it ends the work on a folder."""


class OutOfMemory(UserError):
    """The device has no room for what was asked: less at a time may still work."""


class Diverged(UserError):
    """A training whose loss or weights are no numbers any more."""


class PluginError(UserError):
    """A plugin that cannot be found, loaded or made; everything else keeps working."""


def raise_all(errors: Iterable[UserError], what: str) -> None:
    """Raise nothing, the only error, or one that tells all of them; `what` names the input they belong to."""
    found = list(errors)
    if len(found) == 1:
        raise found[0]
    if found:
        lines = [f"  - {e.problem}" + (f" ({e.hint})" if e.hint else "") for e in found]
        raise UserError(f"{what} has {len(found)} problems:\n" + "\n".join(lines))
