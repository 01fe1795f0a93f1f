"""The prompts of a song: its caption or genre with a trigger tag, tags shuffled or left out, each with its share.

A condition is made before training begins, so what changes from one showing to the next is a choice among several that
are made from (seed, song) once and for all.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from acestep_core.data import Song
from acestep_core.prompts import tagged
from acestep_core.seeds import derived_seed
from acestep_core.tags.captions import parse

_WILDCARD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Wording:
    """What prompts of a song may say, with the share of its showings that say so, and its trigger tag."""

    song: Song
    texts: tuple[str, ...]
    shares: tuple[float, ...]
    tag: str
    position: str

    def tagged(self, text: str) -> str:
        return tagged(text, self.tag, self.position)


@dataclass(frozen=True)
class Prompt:
    """A caption and its share of the showings of its song; alone shown in `every_epochs`-th epochs if that is not 0."""

    caption: str
    weight: float
    every_epochs: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        every = {"every_epochs": self.every_epochs} if self.every_epochs else {}
        return {"caption": self.caption, "weight": round(self.weight, 9), **every}


@dataclass(frozen=True)
class Pieces:
    """A caption taken apart: tags that stay in their places, those that may move or go, and how to join the latter."""

    flexible: tuple[str, ...]
    joined: Callable[[Sequence[str]], str]


def tag_pieces(text: str, keep: int) -> Pieces:
    """The tags before the first sentence, of which `keep` stay; sentences stay as they are."""
    caption = parse(text)

    def joined(tags: Sequence[str]) -> str:
        kept = [*caption.tags[:keep], *tags]
        return caption.comma.join(kept) + caption.end + caption.sentences if kept else caption.sentences

    return Pieces(caption.tags[keep:], joined)


@dataclass(frozen=True)
class VariantRule:
    """How the prompts of a song differ from one showing to the next. Rates are shares of tags and of showings."""

    shuffle: bool = False
    keep: int = 0
    tag_dropout: float = 0.0
    caption_dropout: float = 0.0
    empty_every_epochs: int = 0
    wildcards: bool = False
    cut: Callable[[str, int], Pieces] = tag_pieces
    finish: Callable[[str], str] = str

    @property
    def moves_tags(self) -> bool:
        return self.shuffle or self.tag_dropout > 0

    @property
    def varies(self) -> bool:
        return self.moves_tags or self.wildcards


def prompts_of(wording: Wording, rule: VariantRule, count: int, seed: int) -> list[Prompt]:
    """The prompts of a song, `count` of each text that varies; equal ones are one.

    The first is what the song is measured with: the text as it stands. It may have no share of the showings.
    """
    shares: dict[str, float] = {wording.tagged(_said(wording.texts[0], wording, rule, None)): 0.0}
    for text, share in zip(wording.texts, wording.shares, strict=True):
        draws = [random.Random(derived_seed(seed, f"{wording.song.id} {n} {text}")) for n in range(count)]
        for draw in draws if rule.varies else [None]:
            caption = wording.tagged(_said(text, wording, rule, draw))
            weight = share * (1 - rule.caption_dropout) / (count if rule.varies else 1)
            shares[caption] = shares.get(caption, 0.0) + weight
    if rule.caption_dropout or rule.empty_every_epochs:
        shares[""] = shares.get("", 0.0) + rule.caption_dropout
    return [Prompt(text, weight, 0 if text else rule.empty_every_epochs) for text, weight in shares.items()]


def _said(text: str, wording: Wording, rule: VariantRule, draw: random.Random | None) -> str:
    """The text of one prompt; without a draw the first of everything, in order."""
    text = _resolved(text, draw) if rule.wildcards else text
    if not rule.moves_tags:
        return rule.finish(text)
    pieces = rule.cut(text, _kept(wording, rule))
    tags = list(pieces.flexible)
    if draw is not None and rule.shuffle:
        draw.shuffle(tags)
    if draw is not None:
        tags = [t for t in tags if draw.random() >= rule.tag_dropout]
    return rule.finish(pieces.joined(tags))


def _kept(wording: Wording, rule: VariantRule) -> int:
    """`keep` counts from the start of the caption; a trigger there is kept whatever it says."""
    in_front = wording.tag if wording.position == "prepend" else ""
    return max(0, rule.keep - len([t for t in in_front.split(",") if t.strip()]))


def _resolved(text: str, draw: random.Random | None) -> str:
    """One of the lines, and in it one of each {a|b|c}."""
    choose: Callable[[Sequence[str]], str] = draw.choice if draw else lambda choices: choices[0]
    line = choose(text.split("\n"))
    return _WILDCARD.sub(lambda found: choose(found[1].split("|")), line)
