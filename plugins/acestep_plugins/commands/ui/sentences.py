"""Sentences of the core in the language of the page: problems, hints, notes and what plugins say of themselves.

The core says them in English with something filled in. Here they are found again by what is not filled in, so that a
third party's stay as they are. On the way to the page the server has told some flags as fields of the request.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

BLANK = "{}"
FLAG = r"(?<![\w-])--[a-z][a-z0-9-]*|-o \w+\.\w+="
GAP = re.compile(rf"(\{{\}}|{FLAG})")
_FILLED = re.compile(rf"\{{(\d+)\}}|({FLAG})")
_FIELD = r"'[\w.]+' ?"
_KEPT = 4096  # translated sentences
# What is longer, in a line or in all, or put together of more, is nothing that the core says.
_LONGEST, _LONGEST_TEXT, _DEEPEST = 1000, 20_000, 8
_SHORT, _SPACES = 20, 3  # "give {}" is about a name, and not about whatever somebody else's sentence goes on with
# Sentences are put together so: as an item with its hint, one after the other, a name before what is said of it.
TOGETHER = {"- {} ({})": r"- (.+) \((.+)\)", "{}; {}": "(.+?); (.+)", "{}: {}": "(.+?): (.+)"}


class _Sentence(NamedTuple):
    pattern: re.Pattern[str]
    gaps: tuple[str, ...]
    """What the groups of the pattern are: blanks or flags."""
    translation: str
    short: bool
    lines: bool
    """Whether it is of several lines, and what is filled in may be as well."""


class Sentences:
    """Translations by English sentence, in which `{}` is what is filled in, and in translations `{0}`, `{1}` and so on.

    An empty translation is one that nobody has written yet: the sentence stays English.
    """

    def __init__(self, translations: Mapping[str, str]):
        most_said_first = sorted(translations, key=lambda english: -len(english.replace(BLANK, "")))
        self._known = [_known(e, translations[e]) for e in most_said_first if translations[e] and e not in TOGETHER]
        self._together = [(re.compile(p), translations.get(e, "")) for e, p in TOGETHER.items()]
        self._found = lru_cache(_KEPT)(self._find)

    def __call__(self, text: str) -> str:
        """The text in the page's language, as far as its parts are known."""
        return self._told(text, 0)

    def _told(self, text: str, depth: int) -> str:
        return self._found(text, depth) or "\n".join(self._found(line, depth) or line for line in text.split("\n"))

    def _find(self, text: str, depth: int) -> str | None:
        """None where no part of it is known."""
        core = text.strip()
        longest = _LONGEST_TEXT if "\n" in core else _LONGEST
        if " " not in core or len(core) > longest or depth > _DEEPEST:
            return None
        found = self._whole(core, depth) or self._parts(core, depth)
        start = text.index(core)
        return found and text[:start] + found + text[start + len(core) :]

    def _whole(self, text: str, depth: int) -> str | None:
        lines = "\n" in text
        for sentence in self._known:
            if sentence.lines != lines:
                continue
            match = sentence.pattern.fullmatch(text)
            filled = match and self._filled(sentence, match, depth)
            if filled:
                return filled
        return None

    def _filled(self, sentence: _Sentence, match: re.Match[str], depth: int) -> str | None:
        """None where what would be filled into a sentence of few words is a sentence itself, and an unknown one."""
        said = list(zip(sentence.gaps, match.groups(), strict=True))
        inner, flags = [text for gap, text in said if gap == BLANK], dict(said)
        blanks = [self._told(text, depth + 1) for text in inner]
        if sentence.short and any(a == b and a.count(" ") > _SPACES for a, b in zip(inner, blanks, strict=True)):
            return None
        return _FILLED.sub(lambda m: blanks[int(m[1])] if m[1] else flags.get(m[2], m[2]), sentence.translation)

    def _parts(self, text: str, depth: int) -> str | None:
        for pattern, together in self._together:
            if match := pattern.fullmatch(text):
                parts = [self._found(part, depth + 1) for part in match.groups()]
                if any(parts):
                    first, second = (found or part for found, part in zip(parts, match.groups(), strict=True))
                    return together.replace("{0}", first).replace("{1}", second)
        return None


def _known(english: str, translation: str) -> _Sentence:
    parts = GAP.split(english)
    gaps = parts[1::2]
    lines = "\n" in english
    blank = "(.*?)" if lines else r"([^\n]*?)"
    pattern = re.escape(parts[0])
    for gap, rest in zip(gaps, parts[2::2], strict=True):
        pattern += (blank if gap == BLANK else f"({re.escape(gap)}|{_FIELD})") + re.escape(rest)
    short = len(english.replace(BLANK, "")) < _SHORT and not lines
    return _Sentence(re.compile(pattern, re.DOTALL), tuple(gaps), translation, short, lines)
