"""The way through the questions: forward, back, and with what was answered another time as defaults."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from acestep_core.errors import UserError
from acestep_core.options import nearest
from acestep_core.wizard.question import Question, Session


class Walk:
    """Where the person is among the questions. Answers are in `session.answers`."""

    def __init__(self, questions: Sequence[Question], session: Session, remembered: Mapping[str, Any] | None = None):
        self.questions, self.session = questions, session
        self._before = dict(remembered or {})
        self._at = 0
        self._settle()

    @property
    def question(self) -> Question | None:
        """The one to be answered now; None at the end."""
        return self.questions[self._at] if self._at < len(self.questions) else None

    def place(self) -> tuple[int, int]:
        """(number of this question, how many there are as far as can be seen)"""
        seen = sum(q.key in self.session.answers for q in self.questions[: self._at]) + 1
        ahead = self.questions[self._at + 1 :]
        return seen, seen + sum(not q.idle(self.session) for q in ahead)

    def default(self) -> Any:
        """What was answered before, if it still can be; else what the question proposes."""
        question = self.question
        if question is None:
            return None
        if question.key in self._before:
            try:
                return question.answer(self.session, self._before[question.key])
            except UserError:
                pass  # a folder that is gone, a preset that was deleted: it is no proposal any more
        return question.default(self.session)

    def answer(self, given: Any) -> None:
        """Take an answer and go on. Raises `UserError` with a remedy, and stays."""
        question = self.question
        value = question.answer(self.session, given)
        if self._before.get(question.key, value) != value:
            self._forget_after(question.key)
        self.session.answers[question.key] = self._before[question.key] = value
        self._at += 1
        self._settle()

    def back(self) -> None:
        """To the question before. Raises `UserError` at the first."""
        earlier = [i for i in range(self._at) if self.questions[i].asked(self.session)]
        if not earlier:
            raise UserError("This is the first question", "? shows what can be typed")
        self._at = earlier[-1]
        for question in self.questions[self._at :]:
            self.session.answers.pop(question.key, None)

    def remembered(self) -> dict[str, Any]:
        """Answers to be offered again next time."""
        kept = {q.key for q in self.questions if q.remembered}
        return {k: v for k, v in self._before.items() if k in kept}

    def _forget_after(self, key: str) -> None:
        """Answers that were meant for another one here."""
        for question in self.questions:
            if key in question.follows and question.key in self._before:
                del self._before[question.key]
                self._forget_after(question.key)

    def _settle(self) -> None:
        """Past questions that there is nothing to ask of."""
        while self.question is not None and not self.question.asked(self.session):
            self._at += 1


def answered(questions: Sequence[Question], session: Session, given: Mapping[str, Any]) -> list[UserError]:
    """Answer everything from a table, with defaults for what it leaves out; gives everything that is wrong."""
    known = [q.key for q in questions]
    wrong = [UserError(f"There is no question '{k}'", nearest(k, known)) for k in given if k not in known]
    wrong += [e for question in questions for e in _answered(question, session, given)]
    return wrong


def _answered(question: Question, session: Session, given: Mapping[str, Any]) -> Iterator[UserError]:
    if not all(key in session.answers for key in question.needs):
        return  # the one that it depends on is wrong, which is told
    said, idle = given.get(question.key), question.idle(session)
    if idle:
        if said is not None:
            yield UserError(f"'{question.key}' is not asked here: {idle}", "leave it out")
        return
    proposed = question.default(session) if said is None else said
    if proposed is None:
        yield UserError(f"'{question.key}' is not answered: {question.text}", f"write {question.key} = ...")
        return
    try:
        session.answers[question.key] = question.answer(session, proposed)
    except UserError as e:
        yield UserError(f"{question.key}: {e.problem}", e.hint)
