"""What a question is, as data: a terminal asks it, a page can show it, a file can answer it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from acestep_core.errors import UserError
from acestep_core.options import nearest
from acestep_core.registry import Registry

Kind = Literal["text", "number", "choice", "yes_no"]
_WORDS = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}


@dataclass
class Session:
    """What is known while questions are asked: the answers so far, by key, and what they are judged by."""

    plugins: Registry
    config: Mapping[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    name: str
    about: str = ""


@dataclass(frozen=True)
class Question:
    """One question. Its functions see the answers that came before; `check` gives the answer in its type.

    `default` gives None where there is none; `idle` says why it is not asked, where it is not; `told` are lines about
    the answer that the person should know. It is asked once those in `needs` are answered, and an earlier answer is no
    proposal any more when one of those in `follows` has changed.
    """

    key: str
    kind: Kind
    text: str
    help: str
    default: Callable[[Session], Any] = lambda s: None
    check: Callable[[Session, Any], Any] = lambda s, value: value
    choices: Callable[[Session], Sequence[Choice]] = lambda s: ()
    idle: Callable[[Session], str] = lambda s: ""
    told: Callable[[Session], Sequence[str]] = lambda s: ()
    needs: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    remembered: bool = True

    def asked(self, session: Session) -> bool:
        """Whether it is put at all: what it depends on is answered, and leaves something to ask."""
        return all(key in session.answers for key in self.needs) and not self.idle(session)

    def answer(self, session: Session, given: Any) -> Any:
        """What was typed, or stands in a file, as the answer. Raises `UserError` with a remedy."""
        try:
            return self.check(session, self._typed(session, given))
        except OSError as e:  # a name too long for the system, a folder that may not be read
            raise UserError(f"'{given}' cannot be used ({e.strerror})", "give another") from e

    def describe(self, session: Session) -> dict[str, Any]:
        """For a page."""
        choices = [{"name": c.name, "about": c.about} for c in self.choices(session)]
        return {"key": self.key, "kind": self.kind, "text": self.text, "help": self.help, "choices": choices}

    def _typed(self, session: Session, given: Any) -> Any:
        text = str(given).strip()
        if self.kind == "yes_no":
            if text.lower() not in _WORDS:
                raise UserError(f"'{text}' is neither yes nor no", "answer y or n")
            return _WORDS[text.lower()]
        if self.kind == "number":
            return _number(text)
        if self.kind == "choice":
            return _chosen(text, [c.name for c in self.choices(session)])
        if not text:
            raise UserError("There is no answer", "type one, or ? for help")
        return text


def _number(text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e12:
        raise UserError(f"'{text}' is no number from 0", "type digits, such as 12")
    return value


def _chosen(text: str, names: Sequence[str]) -> str:
    """By its name or its number in the list."""
    if text in names:
        return text
    if text.isdecimal() and 1 <= int(text) <= len(names):
        return names[int(text) - 1]
    raise UserError(f"'{text}' is none of them", nearest(text, names))
