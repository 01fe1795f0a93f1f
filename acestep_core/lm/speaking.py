"""Asks a language model: requests in, answers out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Protocol

from acestep_core.errors import UserError
from acestep_core.lm.answers import read
from acestep_core.lm.decoding import Speech, texts
from acestep_core.lm.grammar import Free, Grammar, Text
from acestep_core.lm.grammars import grammar
from acestep_core.lm.reading import Reader
from acestep_core.lm.requests import Answer, Codes, LmSettings, Request
from acestep_core.lm.tokenizer import LmTokenizer
from acestep_core.lm.vocabulary import Vocabulary
from acestep_core.lm.weighing import Told, Weighed
from acestep_core.lm.wording import messages, unconditional
from acestep_core.seeds import derived_seed


class LmPart(Protocol):
    """A 5 Hz language model, whatever runs it."""

    tokenizer: LmTokenizer
    about: Mapping[str, Any]
    """What a record says of how it runs, such as device and precision."""

    def say(
        self,
        speeches: Sequence[Speech],
        *,
        on_token: Callable[[int, int], None] = lambda index, said: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[list[int]]:
        """The tokens of each; `on_token(index, tokens said)` hears of every one. Unfinished after a `stop`."""

    def weigh(self, texts: Sequence[Told]) -> Sequence[Weighed]:
        """How likely the model finds each token of given texts; may be missing, see `acestep_core.lm.weighing`."""


@dataclass(frozen=True)
class Asked:
    """A request with the seed that its tokens are drawn with."""

    request: Request
    seed: int


def ask(
    lm: LmPart,
    asked: Sequence[Asked],
    settings: LmSettings,
    *,
    at_once: int | None = None,
    on_token: Callable[[int, int], None] = lambda index, said: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Answer]:
    """An answer for each; those are as they would be alone. Guidance leads audio codes only.

    No more than `at_once` are held in memory together; all unless given.
    """
    settings = settings.checked()
    if any(isinstance(a.request, Codes) for a in asked):
        check_guidance(lm, settings)
    speeches = [_speech(lm.tokenizer, a, settings) for a in asked]
    said: list[list[int]] = []
    size = at_once or max(1, len(speeches))
    for first in range(0, len(speeches), size):
        told = partial(_told, on_token, first)
        said += lm.say(speeches[first : first + size], on_token=told, stop=stop)
    return [_answer(a.request, speech, tokens) for a, speech, tokens in zip(asked, speeches, said, strict=True)]


def _told(on_token: Callable[[int, int], None], first: int, index: int, said: int) -> None:
    on_token(first + index, said)


def check_guidance(lm: LmPart, settings: LmSettings) -> None:
    """Raise `UserError` where audio codes are to be led and what runs the model cannot; its `guides` is False then."""
    if settings.cfg != 1 and not getattr(lm, "guides", True):
        problem = f"What runs the language model cannot guide audio codes, and the guidance is {settings.cfg:g}"
        raise UserError(problem, "give --lm-cfg 1, or another --lm-backend")


@lru_cache(maxsize=16)
def reader(rules: Grammar, vocabulary: Vocabulary) -> Reader:
    """One for all sequences that say the same kind of thing: it remembers what may come."""
    return Reader(rules, vocabulary)


def _speech(tokenizer: LmTokenizer, asked: Asked, settings: LmSettings) -> Speech:
    request = asked.request
    if isinstance(request, Codes) and settings.negative_prompt:
        request = replace(request, negative=settings.negative_prompt)
    led = isinstance(request, Codes) and settings.cfg != 1
    return Speech(
        prompt=tokenizer.chat(messages(request)),
        reader=reader(grammar(request), tokenizer.vocabulary),
        settings=settings,
        seed=derived_seed(asked.seed, type(request).__name__.lower()),
        negative=tokenizer.chat(unconditional(request)) if led else None,
    )


def _answer(request: Request, speech: Speech, tokens: Sequence[int]) -> Answer:
    vocabulary = speech.reader.vocabulary
    answer = read("".join(texts(speech.reader, tokens)), request, _cut(speech.reader, tokens))
    codes = tuple(vocabulary.code_of[t] for t in tokens if t in vocabulary.code_of)
    return replace(answer, codes=codes)


def _cut(reader: Reader, tokens: Sequence[int]) -> list[str]:
    """The fields whose text came to the most tokens it may have."""
    parts, state, cut = reader.grammar.parts, reader.start(), []
    for token in tokens:
        part = reader.grammar.counting(state.positions)
        if part is not None and isinstance(parts[part], Free) and state.count == parts[part].most:
            cut.append(_name(parts[part - 1]))
        state = reader.after(state, token)
    return cut


def _name(before: Any) -> str:
    return before.text.removesuffix(": ") if isinstance(before, Text) else "lyrics"
