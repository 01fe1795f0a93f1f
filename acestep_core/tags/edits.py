"""Edits of one caption's tags: each takes the tags in their order and gives them back edited."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from acestep_core.errors import UserError
from acestep_core.tags.captions import is_cjk, normal, tag_list

Counts = Counter[str]
"""In how many of the selected songs a tag stands, by its normal form."""


class Edit(Protocol):
    """Called with a caption's tags, it gives them back edited."""

    def __call__(self, tags: Sequence[str], counts: Counts) -> list[str]: ...

    def missing(self, present: Collection[str]) -> list[str]:
        """The tags it looks for that are none of `present`."""
        ...


@dataclass(frozen=True)
class Match:
    """Whether a tag is meant: it equals one of `patterns`, or all of it matches one of them as a regular expression."""

    patterns: tuple[str, ...]
    regex: bool = False
    ignore_case: bool = False

    def __post_init__(self) -> None:
        if not any(p.strip() for p in self.patterns):
            raise UserError("No tag was given", "name one, such as 'female vocal'")
        for pattern in self.patterns if self.regex else ():
            compiled(pattern)

    def __call__(self, tag: str) -> bool:
        return any(self.match(p, tag) for p in self.patterns)

    def match(self, pattern: str, tag: str) -> re.Match[str] | None:
        written = pattern if self.regex else re.escape(pattern.strip())
        return re.fullmatch(written, tag, re.IGNORECASE if self.ignore_case else 0)

    def missing(self, present: Collection[str]) -> list[str]:
        return [p for p in self.patterns if not any(self.match(p, t) for t in present)]


@dataclass(frozen=True)
class Add:
    """Put tags at the 'start', the 'end', 'before:TAG' or 'after:TAG'; one that is there already stays in its place.

    A caption without TAG is left as it is. The trigger stays before what is put at the start.
    """

    tags: tuple[str, ...]
    position: str = "end"
    trigger: str = ""

    def __post_init__(self) -> None:
        word, _, anchor = self.position.partition(":")
        if self.position not in ("start", "end") and not (word in ("before", "after") and anchor.strip()):
            raise UserError(f"There is no position '{self.position}'", "use start, end, before:TAG or after:TAG")

    def missing(self, present: Collection[str]) -> list[str]:
        anchor = self.position.partition(":")[2].strip()
        return [anchor] if anchor and normal(anchor) not in map(normal, present) else []

    def __call__(self, tags: Sequence[str], counts: Counts) -> list[str]:
        present = {normal(t) for t in tags}
        new = [t for t in unique(self.tags) if normal(t) not in present]
        at = self._place(tags)
        return trigger_first([*tags[:at], *new, *tags[at:]] if at is not None else list(tags), self.trigger)

    def _place(self, tags: Sequence[str]) -> int | None:
        word, _, anchor = self.position.partition(":")
        if word in ("start", "end"):
            first = bool(self.trigger and tags and normal(tags[0]) == normal(self.trigger))
            return len(tags) if word == "end" else int(first)
        found = [i for i, t in enumerate(tags) if normal(t) == normal(anchor)]
        return found[0] + (word == "after") if found else None


@dataclass(frozen=True)
class Remove:
    """Take away every tag that is meant."""

    match: Match

    def missing(self, present: Collection[str]) -> list[str]:
        return self.match.missing(present)

    def __call__(self, tags: Sequence[str], counts: Counts) -> list[str]:
        return [t for t in tags if not self.match(t)]


@dataclass(frozen=True)
class Replace:
    """Put other tags in the place of one; a regular expression's groups are written \\1 or \\g<name>."""

    match: Match
    new: str

    def __post_init__(self) -> None:
        if not self.match.regex:
            tag_list([self.new])
            return
        try:
            re.compile(self.match.patterns[0]).sub(self.new, "")
        except (re.error, IndexError) as e:
            raise UserError(f"'{self.new}' cannot be put in ({e})", r"write groups as \1") from None

    def missing(self, present: Collection[str]) -> list[str]:
        return self.match.missing(present)

    def __call__(self, tags: Sequence[str], counts: Counts) -> list[str]:
        return _merged(tags, self._replaced)

    def _replaced(self, tag: str) -> list[str]:
        found = self.match.match(self.match.patterns[0], tag)
        if found is None:
            return [tag]
        return tag_list([found.expand(self.new) if self.match.regex else self.new])


@dataclass(frozen=True)
class Rename:
    """Change words within tags: 'guitar' to 'gtr' makes 'electric guitar' 'electric gtr'."""

    old: str
    new: str
    ignore_case: bool = False

    def __post_init__(self) -> None:
        tag_list([self.old])
        tag_list([self.new])

    def missing(self, present: Collection[str]) -> list[str]:
        return [] if any(self._words().search(t) for t in present) else [self.old]

    def __call__(self, tags: Sequence[str], counts: Counts) -> list[str]:
        return _merged(tags, lambda tag: tag_list([self._words().sub(lambda _: self.new.strip(), tag)]))

    def _words(self) -> re.Pattern[str]:
        old = self.old.strip()
        before, after = ("" if is_cjk(old[0]) else r"(?<!\w)", "" if is_cjk(old[-1]) else r"(?!\w)")
        return re.compile(before + re.escape(old) + after, re.IGNORECASE if self.ignore_case else 0)


@dataclass(frozen=True)
class Dedupe:
    """Keep the first of equal tags; with `implied` also drop a tag that ends a longer one, as 'hat' ends 'blue hat'."""

    implied: bool = False

    def missing(self, present: Collection[str]) -> list[str]:
        return []

    def __call__(self, tags: Sequence[str], counts: Counts) -> list[str]:
        kept = unique(tags)
        longer = [normal(t) for t in kept] if self.implied else []
        return [t for t in kept if not any(other.endswith(f" {normal(t)}") for other in longer)]


@dataclass(frozen=True)
class Sort:
    """By frequency among the selected songs, by alphabet, in a fixed `order` with others behind it as they were, or by
    nothing, which only puts the trigger first."""

    by: Literal["frequency", "alphabet", "order", "none"] = "frequency"
    order: tuple[str, ...] = ()
    keep_first: int = 0
    trigger: str = ""

    def __post_init__(self) -> None:
        if (self.by == "order") != bool(self.order):
            raise UserError("A fixed order needs its tags, and no other order takes any",
                            "give --by order --order 'genre tag, vocal tag'")  # fmt: skip

    def missing(self, present: Collection[str]) -> list[str]:
        return [t for t in self.order if normal(t) not in map(normal, present)]

    def __call__(self, tags: Sequence[str], counts: Counts) -> list[str]:
        placed = trigger_first(list(tags), self.trigger)
        kept = max(self.keep_first, int(bool(self.trigger and placed and normal(placed[0]) == normal(self.trigger))))
        return placed[:kept] + sorted(placed[kept:], key=lambda tag: self._key(tag, counts))

    def _key(self, tag: str, counts: Counts) -> tuple[int, str]:
        if self.by == "none":
            return (0, "")
        if self.by == "order":
            order = [normal(t) for t in self.order]
            return (order.index(normal(tag)) if normal(tag) in order else len(order), "")
        return (-counts[normal(tag)] if self.by == "frequency" else 0, normal(tag))


def compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as e:
        raise UserError(f"'{pattern}' is no regular expression ({e})", "put a \\ before ( ) [ ] * + ? .") from None


def unique(tags: Sequence[str]) -> list[str]:
    """The first of each spelling."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(normal(tag), tag)
    return list(first.values())


def trigger_first(tags: list[str], trigger: str) -> list[str]:
    own = [t for t in tags if trigger and normal(t) == normal(trigger)]
    return [*own, *(t for t in tags if t not in own)]


def _merged(tags: Sequence[str], change: Callable[[str], list[str]]) -> list[str]:
    """Tags changed one by one; a changed one that stands there already is dropped, repeats that were there stay."""
    changed = [(tag, change(tag)) for tag in tags]
    kept = {normal(new[0]) for tag, new in changed if new == [tag]}
    result: list[str] = []
    for tag, new in changed:
        for one in new:
            if new == [tag] or normal(one) not in kept:
                result.append(one)
                kept.add(normal(one))
    return result
