"""What each token of a tokenizer says: bytes of text, a mark that is no text, or an audio code."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core.codes import CODES
from acestep_core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_CODE = re.compile(r"<\|audio_code_(\d+)\|>")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """`texts[i]` is the bytes of token i, None where it is no text; marks and codes give the ids of the others."""

    texts: Sequence[bytes | None]
    marks: Mapping[str, int]
    code_ids: Sequence[int]
    """The token of each audio code, from 0."""

    @cached_property
    def code_of(self) -> Mapping[int, int]:
        return {token: code for code, token in enumerate(self.code_ids)}

    @cached_property
    def codes(self) -> "np.ndarray":
        """Ids of the audio codes, sorted."""
        import numpy as np

        return np.sort(np.asarray(self.code_ids, dtype=np.int64))

    @cached_property
    def table(self) -> "tuple[np.ndarray, np.ndarray]":
        """(bytes [V, longest] with zeros behind, lengths [V]); what is no text has length 0."""
        import numpy as np

        lengths = np.array([len(t) if t else 0 for t in self.texts], dtype=np.int32)
        longest = int(lengths.max(initial=1))
        joined = b"".join((t or b"").ljust(longest, b"\0") for t in self.texts)
        return np.frombuffer(joined, dtype=np.uint8).reshape(len(self.texts), longest), lengths

    @cached_property
    def by_first_byte(self) -> "Sequence[np.ndarray]":
        """For each byte the ids of the texts that begin with it."""
        import numpy as np

        table, lengths = self.table
        order = np.argsort(table[:, 0], kind="stable")
        order = order[lengths[order] > 0]
        bounds = np.searchsorted(table[order, 0], np.arange(257))
        return [order[bounds[b] : bounds[b + 1]] for b in range(256)]


@lru_cache(maxsize=4)
def vocabulary_of(path: Path) -> Vocabulary:
    """That of a tokenizer.json. Raises `UserError` unless it is a byte-level BPE tokenizer with audio codes."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        spelled: dict[str, int] = dict(found["model"]["vocab"])
        added = {token["content"]: token["id"] for token in found.get("added_tokens", ())}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise UserError(f"{path} is no readable tokenizer ({type(e).__name__})", "download the model again") from e
    return build(spelled, added, path)


def build(spelled: Mapping[str, int], added: Mapping[str, int], source: Path | str = "the tokenizer") -> Vocabulary:
    """A vocabulary of byte-level BPE tokens as they are spelled in a tokenizer.json, and of the tokens added to it."""
    everything = {**spelled, **added}
    texts: list[bytes | None] = [None] * (max(everything.values(), default=-1) + 1)
    codes: dict[int, int] = {}
    byte_of = {c: b for b, c in enumerate(_alphabet())}
    for text, token in everything.items():
        code = _CODE.fullmatch(text)
        if code:
            codes[int(code[1])] = token
        elif text not in added:
            if not all(c in byte_of for c in text):
                raise UserError(f"{source} is no byte-level tokenizer: it has {text!r}", "give the folder of a 5Hz LM")
            texts[token] = bytes(byte_of[c] for c in text)
    if any(code not in codes for code in range(CODES)):
        raise UserError(f"{source} has no tokens for the {CODES} audio codes", "give the folder of a 5Hz LM")
    return Vocabulary(texts, dict(added), [codes[c] for c in range(CODES)])


def _alphabet() -> list[str]:
    """How byte-level BPE writes each byte: itself where it is printed, else a letter from 256 on (GPT-2's table)."""
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256, 512))
    return [chr(b if b in printed else next(others)) for b in range(256)]
