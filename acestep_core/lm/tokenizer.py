"""The tokenizer of a language model's folder, read once: chats to tokens, and what each token says."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_core.lm.vocabulary import Vocabulary, vocabulary_of
from acestep_core.lm.wording import END, THINK, THOUGHT, Message

FILE = "tokenizer.json"


class LmTokenizer:
    """Raises `UserError` where the folder has none, or one that is not a 5 Hz language model's."""

    def __init__(self, folder: Path):
        self.folder = folder
        if not (folder / FILE).is_file():
            raise UserError(f"{folder} has no {FILE}", "give the folder of a 5Hz LM, such as acestep-5Hz-lm-0.6B")
        missing = [m for m in (THINK, THOUGHT, END) if m not in self.vocabulary.marks]
        if missing:
            raise UserError(f"{folder / FILE} has no {', '.join(missing)}", "give the folder of a 5Hz LM")

    @property
    def vocabulary(self) -> Vocabulary:
        return vocabulary_of(self.folder / FILE)

    def check_fits(self, tokens: int) -> None:
        """Raise `UserError` where there are more tokens than a model has outputs."""
        if len(self.vocabulary.texts) > tokens:
            raise UserError(f"{self.folder}: the tokenizer has more tokens than the model", "download the folder again")

    def chat(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of a chat; it is the assistant's turn, unless the last word is the assistant's already."""
        return self.encode(self.chat_text(messages))

    def chat_text(self, messages: Sequence[Message]) -> str:
        from transformers.utils.chat_template_utils import render_jinja_template

        opened = messages[-1]["role"] != "assistant"
        rendered, _ = render_jinja_template(
            conversations=[list(messages)], chat_template=self._template, add_generation_prompt=opened,
            bos_token="", eos_token=END,
        )  # fmt: skip
        return rendered[0] if rendered[0].endswith("\n") else rendered[0] + "\n"

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def spans(self, text: str) -> list[tuple[int, int]]:
        """First character of each token of `encode` and the one behind its last."""
        return self._tokenizer.encode(text, add_special_tokens=False).offsets

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(self.folder / FILE))

    @cached_property
    def _template(self) -> str:
        apart = self.folder / "chat_template.jinja"
        if apart.is_file():
            return apart.read_text(encoding="utf-8")
        try:
            found = json.loads((self.folder / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise UserError(f"{self.folder} has no chat template", "download the language model again") from e
        return found
