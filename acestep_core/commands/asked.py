"""Questions asked in a terminal: what is typed is an answer, a way back, or a call for help."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from acestep_core.console import printable
from acestep_core.errors import UserError
from acestep_core.wizard.question import Question, Session
from acestep_core.wizard.remembering import remember, remembered
from acestep_core.wizard.walk import Walk

_KEYS = "Enter takes what stands in brackets, b goes back, ? is this, q leaves. Write ./b for a file that is called b."


class Asking:
    """Everything is said on stdout, or with `err` on stderr."""

    def __init__(self, session: Session, err: bool = False):
        self.session, self._err = session, err
        self._troubled = False

    def ask(self, questions: Sequence[Question], keep: bool = False) -> Mapping[str, Any]:
        """The answers by key. With `keep` they are those of last time to begin with, and remembered one by one.

        Raises `KeyboardInterrupt` for who leaves, and `UserError` where the input ends.
        """
        walk = Walk(questions, self.session, self._remembered() if keep else {})
        shown: Question | None = None
        while (question := walk.question) is not None:
            if shown is not question:
                self._show(question, walk.place())
                shown = question
            proposed = walk.default()
            typed = self._typed(question, proposed)
            try:
                self._do(walk, typed, proposed)
            except UserError as e:
                self._say(f"{e.problem}; {e.hint}" if e.hint else e.problem)
                continue
            if walk.question is not question and question.key in self.session.answers:
                self._say(*question.told(self.session))
                if keep:
                    self._remember(walk.remembered())
        return self.session.answers

    def _do(self, walk: Walk, typed: str, proposed: Any) -> None:
        if typed.lower() in ("b", "back"):
            walk.back()
        elif typed in ("?", "help"):
            self._say(walk.question.help, _KEYS)
        elif typed.lower() in ("q", "quit"):
            raise KeyboardInterrupt
        elif typed or proposed is not None:
            walk.answer(typed or proposed)
        else:
            raise UserError("There is nothing proposed here", "type an answer, or ? for help")

    def _typed(self, question: Question, proposed: Any) -> str:
        shown = "" if proposed is None else f" [{_word(question, proposed)}]"
        click.echo(printable(f"{shown.lstrip()}> "), nl=False, err=self._err)
        line = sys.stdin.readline()
        if not sys.stdin.isatty():
            self._say(line.rstrip("\n"))
        if not line:
            raise UserError(f"The input ends where '{question.text}' is asked",
                            "run it in a terminal, or give --answers FILE")  # fmt: skip
        return line.strip()

    def _show(self, question: Question, place: tuple[int, int]) -> None:
        number, of = place
        self._say(f"\n[{number}/{of}] {question.text}?" if of > 1 else f"{question.text}?")
        choices = question.choices(self.session)
        wide = max((len(c.name) for c in choices), default=0)
        self._say(*(f"  {n:>2}  {c.name:<{wide}}  {c.about}".rstrip() for n, c in enumerate(choices, 1)))

    def _say(self, *lines: str) -> None:
        for line in lines:
            click.echo(printable(line), err=self._err)

    def _remembered(self) -> dict[str, Any]:
        try:
            return remembered()
        except UserError as e:
            self._say(f"The answers of last time are not used: {e.problem}; {e.hint}")
            return {}

    def _remember(self, answers: Mapping[str, Any]) -> None:
        try:
            remember(answers)
        except UserError as e:
            if not self._troubled:
                self._say(f"Nothing is remembered for the next time: {e.problem}; {e.hint}")
            self._troubled = True


def _word(question: Question, value: Any) -> str:
    if question.kind == "yes_no":
        return "y" if value else "n"
    return f"{value:g}" if isinstance(value, float) else str(value)
