"""Lines of lyrics out of a stream of words: a new one after punctuation, at a pause where the service begins one."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from acestep_core import Segment

_ENDED = re.compile(r"""[.!?,;:…]["'”’)\]]*\s+$|[。！？，；：、…][”’」』）]*\s*$|\n\s*$""")
_LOOSE_END = re.compile(r"(?<![.…])[.,;:。，；：、]$")

_FURTHEST = 40  # characters a word is looked for ahead of its place


@dataclass(frozen=True)
class Token:
    """Text exactly as it stands in the whole, spaces and punctuation included; without times where there are none."""

    text: str
    start_s: float | None = None
    end_s: float | None = None


def lines_of(tokens: Iterable[Token], gap_s: float) -> list[tuple[str, Segment | None]]:
    """The lines, each with its times if any of its words has them."""
    found, line = [], list[Token]()
    for token in tokens:
        if line and token.text.strip() and _ends(line, token, gap_s):
            found.append(line)
            line = []
        line.append(token)
    made = (_line(tokens) for tokens in [*found, line])
    return [(text, segment) for text, segment in made if text]


def joined(lines: Sequence[tuple[str, Segment | None]]) -> tuple[str, tuple[Segment, ...]]:
    """Text and segments of a `Transcript`."""
    segments = sorted((s for _, s in lines if s), key=lambda s: s.start_s)
    return "\n".join(text for text, _ in lines), tuple(segments)


def plain_tokens(text: str) -> list[Token]:
    """Words and the spaces between them, for services that give no times."""
    return [Token(t) for t in re.findall(r"\s+|[^\s。！？，；、]+[。！？，；、]*|[。！？，；、]+", text)]


def aligned(texts: Sequence[str], words: Sequence[Token]) -> Iterator[Token]:
    """The punctuated texts of segments with the times of words that carry no punctuation; a text starts a new line.

    Both tell the same words in the same order. A word that is not found keeps its text and loses its times.
    """
    whole = "\n".join(t.strip() for t in texts)
    folded, at = whole.lower() if len(whole.lower()) == len(whole) else whole, 0
    for word in words:
        plain = word.text.strip().strip('.,!?;:…。，！？；：、"“”').lower()
        begins = r"(?<!\w)" if plain.isascii() else ""  # other scripts may have no spaces
        place = re.compile(begins + re.escape(plain)).search(folded, at, at + len(plain) + _FURTHEST) if plain else None
        if place is None:
            continue
        yield from plain_tokens(whole[at : place.start()])
        at = place.end()
        yield Token(whole[place.start() : at], word.start_s, word.end_s)
    yield from plain_tokens(whole[at:])


def _ends(line: Sequence[Token], token: Token, gap_s: float) -> bool:
    """Whether the line is over before this token: punctuation and spaces are at most in its last few."""
    return bool(_ENDED.search("".join(t.text for t in line[-4:]))) or _gap_s(line, token) > gap_s


def _gap_s(line: Sequence[Token], token: Token) -> float:
    end_s = next((t.end_s for t in reversed(line) if t.end_s is not None), None)
    return token.start_s - end_s if end_s is not None and token.start_s is not None else 0.0


def _line(tokens: Sequence[Token]) -> tuple[str, Segment | None]:
    text = _LOOSE_END.sub("", " ".join("".join(t.text for t in tokens).split()))
    timed = [(t.start_s, t.end_s) for t in tokens if t.start_s is not None and t.end_s is not None]
    if not timed or not text:
        return text, None
    start_s = timed[0][0]
    return text, Segment(start_s, max(start_s, *(end for _, end in timed)), text)
