"""The 5 Hz language model behind a vLLM server: one request for each sequence, and each answer read along the grammar.

The server draws by `acestep_core.lm.choosing`, whose order is not vLLM's own (which takes its temperature before top-k
and top-p, and counts the prompt's tokens as said): its own settings are those that take the likeliest token.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core import UserError
from acestep_core.lm.decoding import Speech
from acestep_core.lm.grammar import Grammar, Mark, OneOf, Text
from acestep_core.lm.reading import Reader
from acestep_core.lm.tokenizer import LmTokenizer
from acestep_core.services import Call, Service
from acestep_plugins.backends.vllm.wire import KEY, Order, write

_ASKED = "what the language model is to say"
_SERVE = (
    "start it with: vllm serve DIR --logits-processors acestep_plugins.backends.vllm.v2:GrammarProcessor "
    "(before vLLM 0.32: vllm.v1), with acestep-core installed beside it"
)


@dataclass(frozen=True)
class Served:
    """A model as a server has it. `longest` is what it reads, if the server says so."""

    model: str
    longest: int | None


@dataclass(frozen=True)
class _Answer:
    tokens: list[int]
    ending: str
    """Why it ended, as the server says: stop or length."""


def served(service: Service, model: str = "") -> Served:
    """The model of that name, or the only one. Raises `UserError` naming what there is."""
    found = service.json(Call("GET", "models", "the list of models")).get("data")
    known = {str(m["id"]): m.get("max_model_len") for m in found or () if isinstance(m, dict) and "id" in m}
    if model in known:
        return Served(model, known[model])
    if len(known) == 1 and not model:
        return Served(*known.popitem())
    names = ", ".join(known) or "none"
    raise UserError(f"{service.name} does not have the model '{model}', or has several", f"-o model= one of: {names}")


class Lm:
    """`LmPart`. The tokenizer is read from the folder here, the weights are the server's."""

    guides = False

    def __init__(self, folder: Path, service: Service, has: Served, at_once: int):
        self.tokenizer = LmTokenizer(folder)
        self._service, self._served, self._at_once = service, has, at_once

    @property
    def about(self) -> Mapping[str, Any]:
        return {"device": "server", "served": self._served.model}

    def say(
        self,
        speeches: Sequence[Speech],
        *,
        on_token: Callable[[int, int], None] = lambda index, said: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[list[int]]:
        """As `LmPart`; `on_token` hears once of each sequence, when it is whole."""
        for speech in speeches:
            self._check(speech)
        with ThreadPoolExecutor(self._at_once) as pool:
            asked = [pool.submit(lambda s=s: None if stop() else self._asked(s)) for s in speeches]
            try:
                pairs = enumerate(zip(speeches, asked, strict=True))
                return [self._heard(i, speech, a.result(), on_token) for i, (speech, a) in pairs]
            finally:
                pool.shutdown(cancel_futures=True)

    def _heard(
        self, index: int, speech: Speech, answer: _Answer | None, on_token: Callable[[int, int], None]
    ) -> list[int]:
        if answer is None:
            return []  # stopped before it was asked
        tokens = self._kept(speech.reader, answer)
        on_token(index, len(tokens))
        return tokens

    def _check(self, speech: Speech) -> None:
        if speech.negative is not None and speech.settings.cfg != 1:
            raise UserError("vLLM cannot guide audio codes", "give --lm-cfg 1, or another --lm-backend")
        if self._served.longest is not None and len(speech.prompt) >= self._served.longest:
            raise self._too_long()

    def _asked(self, speech: Speech) -> _Answer:
        answer = self._service.json(Call("POST", "completions", _ASKED, json=self._body(speech)))
        try:
            choice = answer["choices"][0]
            return _Answer([int(t) for t in choice["token_ids"]], str(choice.get("finish_reason")))
        except (KeyError, IndexError, TypeError, ValueError) as e:
            raise UserError(f"{self._service.name} gave no token ids", "use vLLM 0.10.2 or later") from e

    def _body(self, speech: Speech) -> dict[str, Any]:
        """Temperature 0 takes the one token that the processor leaves."""
        grammar, longest = speech.reader.grammar, self._served.longest
        most = most_tokens(grammar)
        return {
            "model": self._served.model,
            "prompt": list(speech.prompt),
            "max_tokens": most if longest is None else min(most, longest - len(speech.prompt)),
            "temperature": 0,
            "repetition_penalty": 1,
            "stop_token_ids": [self._end(grammar)],
            "skip_special_tokens": False,
            "return_token_ids": True,
            "vllm_xargs": {KEY: write(Order(grammar, speech.settings, speech.seed))},
        }

    def _kept(self, reader: Reader, answer: _Answer) -> list[int]:
        """The tokens, if they are what the grammar asks for."""
        state, tokens = reader.start(), answer.tokens
        for place, token in enumerate(tokens, 1):
            try:
                state = reader.after(state, token)
            except (ValueError, IndexError) as e:
                said = f"token {place} is {_spelt(self.tokenizer, token)}, which cannot come there"
                raise UserError(f"{self._service.name} did not keep to the grammar: {said}", _SERVE) from e
        if reader.done(state):
            return tokens
        end = self._end(reader.grammar)
        if answer.ending == "stop" and end in reader.allowed(state).ids:
            return [*tokens, end]  # it left out the token that it stopped at
        if answer.ending == "length":
            raise self._too_long()
        raise UserError(f"{self._service.name} stopped after {len(tokens)} tokens, before the grammar's end", _SERVE)

    def _end(self, grammar: Grammar) -> int:
        last = grammar.parts[-1]
        assert isinstance(last, Mark)  # every request's grammar ends with one
        return self.tokenizer.vocabulary.marks[last.name]

    def _too_long(self) -> UserError:
        hint = "shorten the caption or the lyrics, ask for a shorter song, or serve it with a larger --max-model-len"
        return UserError(f"The server reads {self._served.longest} tokens, and this takes more", hint)


def most_tokens(grammar: Grammar) -> int:
    """No sentence of the grammar has more; a text has at most a token for each byte."""
    count = 0
    for part in grammar.parts:
        if isinstance(part, Text):
            count += len(part.text.encode())
        elif isinstance(part, OneOf):
            count += max(len(c.encode()) for c in part.choices)
        else:
            count += part.most if part.counted else 1
    # a text of so many tokens ends within a character of four bytes, or with what must follow a line end
    return count + 4 * sum(part.counted for part in grammar.parts)


def _spelt(tokenizer: LmTokenizer, token: int) -> str:
    vocabulary = tokenizer.vocabulary
    names = {i: name for name, i in vocabulary.marks.items()}
    if token in vocabulary.code_of:
        return f"audio code {vocabulary.code_of[token]}"
    text = vocabulary.texts[token] if 0 <= token < len(vocabulary.texts) else None
    return names.get(token) or (repr(text.decode(errors="replace")) if text else f"number {token}")
