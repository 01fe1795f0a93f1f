"""What looks wrong with the tags of a folder: spellings, contradictions, tags in all songs or in one, long captions."""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from acestep_core.findings import estimated_tokens
from acestep_core.prompts import CAPTION_TOKENS, song_texts
from acestep_core.tags import meaning
from acestep_core.tags.captions import is_cjk, normal
from acestep_core.tags.folder import Tagged
from acestep_core.tags.statistics import Statistics, TagCount, statistics

NEARLY_ALL = 0.9
FEW = 5  # fewer songs than this say nothing about what is in nearly all of them
BPM_SLACK = 2
SHORTEST_MISSPELT = 6
_SIDES = [(one, other) for one, other, *_ in meaning.OPPOSITES]


@dataclass(frozen=True)
class Finding:
    """One sentence about a tag or a caption; `songs` it concerns; the edit that would mend it, if one would."""

    kind: str
    text: str
    songs: tuple[str, ...] = ()
    edit: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """As a line of a command file."""
        return shlex.join(self.edit)


def audit(songs: Sequence[Tagged]) -> list[Finding]:
    """Everything that deserves a look, by kind: alike, contradiction, constant, single, empty, long."""
    found = statistics(songs)
    return [*_alike(found), *(f for s in songs for f in _contradictions(s)), *_frequencies(found), *_captions(songs)]


def _alike(found: Statistics) -> Iterator[Finding]:
    """One tag in several spellings, or two that differ by an ending or a letter; the more frequent one is proposed."""
    for count in found.tags:
        others = [s for s in count.spellings if s != count.tag]
        for other in others:
            yield Finding("alike", f"'{other}' and '{count.tag}' differ in case, width or '_' alone", count.songs,
                          ("replace", other, count.tag))  # fmt: skip
    by_normal = {normal(c.tag): c for c in found.tags}
    for one, other in sorted(_neighbours(list(by_normal))):
        kept, lost = sorted((by_normal[one], by_normal[other]), key=lambda c: (-len(c.songs), c.tag))
        what = "singular and plural" if _plural(one) == _plural(other) else "nearly the same"
        yield Finding("alike", f"'{lost.tag}' ({_times(lost)}) and '{kept.tag}' ({_times(kept)}) are {what}",
                      lost.songs, ("replace", lost.tag, kept.tag))  # fmt: skip


def _neighbours(tags: Sequence[str]) -> set[tuple[str, str]]:
    """Pairs that are equal but for a plural, spaces and hyphens, or one letter; through shared shortenings, as
    comparing all with all would take minutes for thousands."""
    shared: dict[str, list[str]] = defaultdict(list)
    for tag in tags:
        keys = {_plural(tag), re.sub(r"[\s-]", "", tag)}
        if len(tag) >= SHORTEST_MISSPELT and not any(map(is_cjk, tag)):
            keys |= {tag[:i] + tag[i + 1 :] for i in range(1, len(tag))}
        for key in keys | {tag}:
            shared[key].append(tag)
    pairs = {tuple(sorted(p)) for same in shared.values() for p in combinations(dict.fromkeys(same), 2)}
    return {(a, b) for a, b in pairs if _near(a, b)}


def _near(a: str, b: str) -> bool:
    if re.sub(r"\D", "", a) != re.sub(r"\D", "", b) or meaning.key_of(a):
        return False
    if _plural(a) == _plural(b) or re.sub(r"[\s-]", "", a) == re.sub(r"[\s-]", "", b):
        return True
    if min(len(a), len(b)) < SHORTEST_MISSPELT or a[0] != b[0]:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    x, y = a[start:], b[start:]
    return x[1:] == y[1:] or x[1:] == y or x == y[1:] or (x[1::-1] == y[:2] and x[2:] == y[2:])


def _plural(tag: str) -> str:
    return re.sub(r"ies\b", "y", re.sub(r"(?<=ch|sh)es\b|(?<=[sxz])es\b|(?<=[^s\W])s\b", "", tag))


def _times(count: TagCount) -> str:
    return f"{len(count.songs)} song{'s' if len(count.songs) > 1 else ''}"


def _contradictions(tagged: Tagged) -> Iterator[Finding]:
    song = tagged.song
    for tag in (t for t in tagged.tags if meaning.of(t)):
        bpm, key, metre = meaning.bpm_of(tag), meaning.key_of(tag), meaning.metre_of(tag)
        language = meaning.language_of(tag)
        if bpm is not None and song.bpm is not None and abs(bpm - song.bpm) > BPM_SLACK:
            yield _against(tagged, tag, f"bpm is {song.bpm}")
        if key and song.keyscale and key != song.keyscale:
            yield _against(tagged, tag, f"its key is {song.keyscale}")
        if metre and song.timesignature and metre != song.timesignature:
            yield _against(tagged, tag, f"its metre is {song.timesignature}")
        if language and song.language not in ("unknown", language):
            yield _against(tagged, tag, f"its language is {song.language}")
        voices = meaning.voices_of(tag)
        if "no voice" in voices and not song.instrumental:
            yield _against(tagged, tag, "it has lyrics")
        if "voice" in voices and song.instrumental and song.lyrics:
            yield _against(tagged, tag, "its lyrics say [Instrumental]")
    yield from _exclusions(tagged)


def _against(tagged: Tagged, tag: str, fact: str) -> Finding:
    place = "name" if tagged.name == tagged.song.path.name else "path"
    edit = ("remove", tag, "--where", f'{place}="{tagged.name}"')
    return Finding("contradiction", f"the tag is '{tag}' but {fact}", (tagged.name,), edit)


def _exclusions(tagged: Tagged) -> Iterator[Finding]:
    """Pairs of tags that cannot both be true. A duet may be of a man and a woman."""
    duet = any(meaning.for_both(t) for t in tagged.tags)
    for one, other in combinations([t for t in tagged.tags if meaning.of(t)], 2):
        a, b = (meaning.voices_of(t) | meaning.sides_of(t) for t in (one, other))
        opposed = any(_split(pair, a, b) for pair in (("no voice", "voice"), *_SIDES))
        alone = not duet and _split(("female voice", "male voice"), a, b)
        said = [(f(one), f(other)) for f in (meaning.bpm_of, meaning.key_of, meaning.metre_of)]
        if alone or opposed or any(p and q and p != q for p, q in said):
            yield Finding("contradiction", f"the tags '{one}' and '{other}' exclude one another", (tagged.name,))


def _split(pair: tuple[str, str], a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether one tag says the one and the other tag the other, and neither says both."""
    one, other = ({*pair} & says for says in (a, b))
    return len(one) == len(other) == 1 and one != other


def _frequencies(found: Statistics) -> Iterator[Finding]:
    captioned = found.songs - len(found.without_caption)
    for count in found.tags:
        if captioned >= FEW and found.share(count) >= NEARLY_ALL:
            text = f"'{count.tag}' is in {len(count.songs)} of {captioned} captions: it tells no song from another"
            yield Finding("constant", text, count.songs)
        if captioned >= FEW and len(count.songs) == 1:
            yield Finding("single", f"'{count.tag}' is in one song alone", count.songs)


def _captions(songs: Sequence[Tagged]) -> Iterator[Finding]:
    empty = tuple(s.name for s in songs if not s.text)
    if empty:
        yield Finding("empty", f"{len(empty)} of {len(songs)} songs have no caption", empty)
    for tagged in songs:
        tokens = estimated_tokens(song_texts(tagged.song, tagged.text)[0])
        if tokens > CAPTION_TOKENS:
            text = f"the caption with its template is about {tokens} tokens, the model knows {CAPTION_TOKENS}"
            yield Finding("long", text, (tagged.name,))
