"""Given lyrics laid over given audio by what a CTC model hears in it: no prompt and no DiT is needed."""

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acestep_core.alignment.timed import TimedLine, in_order
from acestep_core.alignment.words import sung_lines
from acestep_core.errors import FatalError, UserError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Alphabet:
    """What a CTC model can say: its tokens, the blank, and what stands between two words, if anything does."""

    tokens: Mapping[str, int]
    blank: int
    between: int | None = None

    def spelt(self, word: str) -> list[int]:
        """Tokens of a word; letters that the model does not have are left out, accents first."""
        return [t for letter in word for t in self._letter(letter)]

    def _letter(self, letter: str) -> Sequence[int]:
        bare = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
        for way in (letter, letter.lower(), letter.upper(), bare, bare.lower(), bare.upper()):
            found = [self.tokens[c] for c in way if c in self.tokens and self.tokens[c] != self.blank]
            if found and len(found) == len(way) and self.between not in found:
                return found
        return ()


@dataclass(frozen=True)
class Span:
    """Frames in which a token is said, and the mean log-probability it has there."""

    start: int
    end: int
    log_probability: float


def time_lines(log_probs: Any, alphabet: Alphabet, lyrics: str, frame_s: float, duration_s: float) -> list[TimedLine]:
    """When each line is sung, by log-probabilities [frames, tokens]; confidence is the geometric mean of how
    probable its letters are where they are said.

    A line without any letter of the alphabet has no time of its own and confidence 0. Raises `UserError` for lyrics
    without words or letters, and for more letters than frames.
    """
    lines = [words for _, words in sung_lines(lyrics)]
    owners = list(_told(lines, alphabet))
    if not any(owner is not None for _, owner in owners):
        raise UserError("The CTC model knows no letter of these lyrics", "use one of their language")
    spans = align(log_probs, [token for token, _ in owners], alphabet.blank)
    timed, now = [], 0.0
    for i, words in enumerate(lines):
        mine = [s for s, (_, owner) in zip(spans, owners, strict=True) if owner == i]
        start, now = (mine[0].start * frame_s, mine[-1].end * frame_s) if mine else (now, now)
        frames = sum(s.end - s.start for s in mine)
        sure = math.exp(sum(s.log_probability * (s.end - s.start) for s in mine) / frames) if mine else 0.0
        timed.append(TimedLine(start, now, words, round(sure, 3)))
    return in_order(timed, duration_s)


def align(log_probs: "np.ndarray | Any", tokens: Sequence[int], blank: int) -> list[Span]:
    """Where each token is said on the likeliest way through [frames, tokens] that says all of them in order.

    Raises `UserError` where there are fewer frames than that takes: tokens, and a blank between two that are equal.
    """
    import torch

    forced_align, merge_tokens = _torchaudio()
    log_probs = torch.as_tensor(log_probs, dtype=torch.float32)
    needed = len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:], strict=False))
    if needed > len(log_probs):
        raise UserError(f"The lyrics take {needed} frames, and the audio has {len(log_probs)}",
                        "check that these lyrics belong to this audio")  # fmt: skip
    path, scores = forced_align(log_probs[None], torch.tensor([list(tokens)], dtype=torch.int32), blank=blank)
    spans = merge_tokens(path[0], scores[0], blank=blank)
    return [Span(s.start, s.end, float(s.score)) for s in spans]


def _told(lines: Sequence[str], alphabet: Alphabet) -> Iterator[tuple[int, int | None]]:
    """(token, its line), with what stands between words between them."""
    first = True
    for i, line in enumerate(lines):
        for spelt in filter(None, map(alphabet.spelt, line.split())):
            if not first and alphabet.between is not None:
                yield alphabet.between, None
            first = False
            yield from ((token, i) for token in spelt)


def _torchaudio() -> tuple[Any, Any]:
    try:
        from torchaudio.functional import forced_align, merge_tokens
    except (ImportError, OSError) as e:
        hint = "install the torchaudio of the same release as torch"
        raise FatalError(f"torchaudio's forced_align cannot be imported ({e})", hint) from e
    return forced_align, merge_tokens
