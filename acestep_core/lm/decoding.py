"""The loop that lets a language model speak under a grammar, many sequences at once.

A backend gives the scores; what may come, which token is drawn and when a sequence ends is decided here, so that all
backends say the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from acestep_core.errors import UserError
from acestep_core.lm.choosing import choose, guided
from acestep_core.lm.reading import Reader, State
from acestep_core.lm.requests import LmSettings

if TYPE_CHECKING:
    import numpy as np


class Rows(Protocol):
    """Sequences that a model reads, each with a cache of its own: what one says never depends on the others."""

    def advance(
        self, tokens: "Sequence[Sequence[int]]", wanted: "Sequence[np.ndarray | None]"
    ) -> "list[np.ndarray | None]":
        """Read one or more further tokens of each row; the logits, float32, of the `wanted` ids of the next one."""

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order."""


@dataclass(frozen=True)
class Speech:
    """What one sequence is to say: after `prompt`, along `reader`, drawn with `seed`.

    With `negative`, a prompt too, it is led away from what follows there.
    """

    prompt: Sequence[int]
    reader: Reader
    settings: LmSettings
    seed: int
    negative: Sequence[int] | None = None


@dataclass
class _Said:
    job: Speech
    state: State
    tokens: list[int] = field(default_factory=list)

    @property
    def guided(self) -> bool:
        return self.job.negative is not None and self.job.settings.cfg != 1


def decode(
    rows: Rows,
    jobs: Sequence[Speech],
    *,
    longest: int,
    on_token: Callable[[int, int], None] = lambda index, said: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[list[int]]:
    """The tokens of each job, its end mark included. `rows` have read nothing; the first `advance` says how many.

    `longest` is what the model can read; a job that comes to it is a `UserError`, nothing is cut.
    """
    said = [_Said(job, job.reader.start()) for job in jobs]
    unread = _prompts(said)
    going = list(range(len(said)))
    while going and not stop():
        for index in going:
            _check_length(said[index], longest)
        allowed = {i: said[i].job.reader.allowed(said[i].state) for i in going}
        scores = iter(rows.advance(unread, [allowed[i].ids for i in going for _ in range(1 + said[i].guided)]))
        for index in going:
            _say(said[index], next(scores), next(scores) if said[index].guided else None, allowed[index])
            on_token(index, len(said[index].tokens))
        unread, going = _next(rows, said, going)
    return [s.tokens for s in said]


def _prompts(said: Sequence[_Said]) -> list[list[int]]:
    return [list(p) for s in said for p in ([s.job.prompt, s.job.negative] if s.guided else [s.job.prompt])]


def _say(said: _Said, scores: "np.ndarray", away_from: "np.ndarray | None", allowed: "object") -> None:
    job = said.job
    if away_from is not None:
        scores = guided(scores, away_from, job.settings.cfg)
    token = choose(scores, allowed.ids, said.tokens, job.settings, job.seed, surest=allowed.surest)
    said.state = job.reader.after(said.state, token)
    said.tokens.append(token)


def _next(rows: Rows, said: Sequence[_Said], going: Sequence[int]) -> tuple[list[list[int]], list[int]]:
    """(tokens to be read by every row that goes on, the sequences that do)."""
    still, kept, unread, row = [], [], [], 0
    for index in going:
        width = 1 + said[index].guided
        if not said[index].job.reader.done(said[index].state):
            still.append(index)
            kept += range(row, row + width)
            unread += [[said[index].tokens[-1]]] * width
        row += width
    if len(still) < len(going) and still:
        rows.keep(kept)
    return unread, still


def _check_length(said: _Said, longest: int) -> None:
    length = max(len(said.job.prompt), len(said.job.negative or ())) + len(said.tokens)
    if length >= longest:
        hint = "shorten the caption or the lyrics, or ask for a shorter song"
        raise UserError(f"The language model reads {longest} tokens, and this takes more", hint)


def texts(reader: Reader, tokens: Sequence[int]) -> Iterator[str]:
    """Marks by their names and texts as they are; for reading an answer."""
    names = {token: name for name, token in reader.vocabulary.marks.items()}
    waiting = b""
    for token in tokens:
        if token in names:
            yield waiting.decode(errors="replace") + names[token]
            waiting = b""
        elif token not in reader.vocabulary.code_of:
            waiting += reader.vocabulary.texts[token] or b""
    yield waiting.decode(errors="replace")
