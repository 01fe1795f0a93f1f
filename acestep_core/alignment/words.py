"""Which tokens of a lyric text are which line, and which are no words: its head, section tags, line ends."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from acestep_core.errors import UserError
from acestep_core.prompts import lyric_text
from acestep_core.section_tags import is_tag, names_section

_BRACKETS = re.compile(r"\[([^\[\]\n]*)\]")


@dataclass(frozen=True)
class Line:
    """Words of a line without its section tags, and which rows of an attention map they are."""

    text: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class LyricTokens:
    """Tokens `first` to `last` of a lyric text are the lyrics. Rows count from `first`.

    `sung` are the rows of words outside any brackets.
    """

    first: int
    last: int
    lines: tuple[Line, ...]
    sung: tuple[int, ...]


def sung_lines(lyrics: str) -> list[tuple[int, str]]:
    """(where it begins in `lyrics`, the line without its section tags) of each line with words.

    Raises `UserError` where there is none.
    """
    found, at = [], 0
    for line in lyrics.split("\n"):
        words = "" if is_tag(line) else " ".join(_untagged(line).split())
        if any(c.isalnum() for c in words):
            found.append((at, words))
        at += len(line) + 1
    if not found:
        raise UserError("There are no words to time: the lyrics are empty or instrumental", "give lyrics that are sung")
    return found


def lyric_tokens(lyrics: str, language: str, spans: Sequence[tuple[int, int]]) -> LyricTokens:
    """Of `prompts.lyric_text(lyrics, language)`, whose tokens have these `spans` of characters."""
    text = lyric_text(lyrics, language)
    head = lyric_text("\0", language).index("\0")
    begins = [head + at for at, _ in sung_lines(lyrics)]
    owners: dict[int, list[int]] = {}
    tags = [(head + m.start(), head + m.end(), names_section(m[1])) for m in _BRACKETS.finditer(lyrics)]
    inside = [i for i, (start, end) in enumerate(spans) if end > head and start < head + len(lyrics)]
    sung = []
    for i in inside:
        place = _first_letter(text, *spans[i])
        tag = next((t for t in tags if place is not None and t[0] <= place < t[1]), None)
        if place is None or (tag and tag[2]):
            continue
        sung += [] if tag else [i - inside[0]]
        line = text.rfind("\n", 0, place) + 1
        if line in begins:
            owners.setdefault(line, []).append(i - inside[0])
    lines = [Line(w, tuple(owners[head + at])) for at, w in sung_lines(lyrics) if head + at in owners]
    return LyricTokens(inside[0], inside[-1] + 1, tuple(lines), tuple(sung))


def _untagged(line: str) -> str:
    return _BRACKETS.sub(lambda m: " " if names_section(m[1]) else m[0], line)


def _first_letter(text: str, start: int, end: int) -> int | None:
    """Where its first character is that is no space; None of a token of spaces and line ends."""
    return next((p for p in range(start, end) if not text[p].isspace()), None)
