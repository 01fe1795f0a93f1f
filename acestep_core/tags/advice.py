"""The tutorials' rule for tags, for a style or voice that shall be called up by a trigger.

A trait that all songs share is left out of the captions, so that the trigger takes it in. What one wants to steer stays
a tag. What can be heard and has no tag is given one, or it leaks into the others.
"""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from acestep_core.errors import UserError
from acestep_core.tags import meaning
from acestep_core.tags.audit import NEARLY_ALL
from acestep_core.tags.captions import normal, parse, tag_list
from acestep_core.tags.edits import Dedupe
from acestep_core.tags.folder import Captions, Tagged
from acestep_core.tags.statistics import Statistics, TagCount, statistics


@dataclass(frozen=True)
class Advice:
    """What to do about a tag, in which songs, why, and the edit that does it (none to keep or check one)."""

    action: Literal["add", "delete", "keep", "check"]
    tag: str
    songs: tuple[str, ...]
    reason: str
    edit: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """As a line of a command file."""
        return shlex.join(self.edit)


def advise(captions: Captions, trigger: str, share: float = NEARLY_ALL) -> list[Advice]:
    """Advice for songs that `trigger` shall stand for. A tag in at least `share` of the captions counts as constant."""
    if not trigger.strip():
        raise UserError("No trigger was named", "give --trigger NAME")
    (trigger,) = tag_list([trigger])[:1]
    captioned = [s for s in captions.songs if s.text]
    found = statistics(captioned)
    advice = [*_trigger(captions, captioned, trigger)]
    for count in found.tags:
        if normal(count.tag) != normal(trigger):
            advice.append(_of_tag(count, found, share))
    given = {(a.action, normal(a.tag)) for a in advice}
    implied = {normal(a.tag): a for a in _implied(captioned) if ("delete", normal(a.tag)) not in given}
    advice = [a for a in advice if a.action != "check" or a.edit or normal(a.tag) not in implied]
    audible = [a for a in _audible(captioned, found, trigger) if ("delete", normal(a.tag)) not in given]
    order = ("add", "delete", "check", "keep")
    return sorted([*advice, *implied.values(), *audible], key=lambda a: order.index(a.action))


def _trigger(captions: Captions, captioned: Sequence[Tagged], trigger: str) -> Iterator[Advice]:
    own = [s for s in captioned if normal(trigger) in map(normal, s.tags)]
    without = tuple(s.name for s in captioned if s not in own)
    set_already = normal(captions.trigger) == normal(trigger)
    if set_already and own:
        yield Advice("delete", trigger, tuple(s.name for s in own), "the settings of the dataset put it in already",
                     ("remove", trigger))  # fmt: skip
    elif not set_already and without:
        reason = "the trigger must stand in every caption (or give it to 'dataset save --trigger')"
        yield Advice("add", trigger, without, reason, ("add", trigger, "--position", "start"))
    late = tuple(s.name for s in own if normal(s.tags[0]) != normal(trigger))
    if late and not set_already:
        reason = "the trigger stands first, where shuffling and shortening leave it"
        yield Advice("check", trigger, late, reason, ("sort", "--by", "none", "--trigger", trigger))


def _of_tag(count: TagCount, found: Statistics, share: float) -> Advice:
    tag, songs = count.tag, count.songs
    edit = ("remove", *count.spellings)
    said = _in_metadata(tag)
    if said:
        return Advice("delete", tag, songs, f"{said} stands in its own field of the prompt", edit)
    if found.share(count) >= share and found.songs > 1:
        steered = _steered(tag)
        where = "all captions" if len(songs) == found.songs else f"{len(songs)} of {found.songs} captions"
        if steered:
            return Advice("keep", tag, songs, f"in {where}, but {steered} is what a prompt must be able to ask for")
        return Advice("delete", tag, songs, f"in {where}: a constant trait, the trigger takes it in", edit)
    if len(songs) == 1 and found.songs > 1:
        return Advice("check", tag, songs, "in one song alone: too rare to learn, merge it with another or delete it")
    return Advice("keep", tag, songs, f"in {len(songs)} of {found.songs} captions: it varies, so prompts can steer it")


def _implied(captioned: Sequence[Tagged]) -> Iterator[Advice]:
    """A tag that a longer one of the same caption says already."""
    dropped: dict[str, list[Tagged]] = {}
    for song in captioned:
        kept = {normal(t) for t in Dedupe(implied=True)(song.tags, Counter())}
        for tag in dict.fromkeys(t for t in song.tags if normal(t) not in kept):
            dropped.setdefault(tag, []).append(song)
    for tag, songs in dropped.items():
        names = tuple(s.name for s in songs)
        yield Advice("delete", tag, names, "a longer tag beside it says so already", ("remove", tag, *_in(songs)))


def _in_metadata(tag: str) -> str:
    if meaning.bpm_of(tag) is not None:
        return "the tempo"
    return "the key" if meaning.key_of(tag) else "the metre" if meaning.metre_of(tag) else ""


def _steered(tag: str) -> str:
    """Why a constant tag stays: as a person's gender stays tagged in pictures, who sings stays here."""
    voices = meaning.voices_of(tag)
    if "no voice" in voices:
        return "that nobody sings"
    return "who sings" if voices & {"female voice", "male voice"} else ""


def _audible(captioned: Sequence[Tagged], found: Statistics, trigger: str) -> Iterator[Advice]:
    """What fields, sentences and the tags of other songs say can be heard and is no tag yet."""
    yield from _voices(captioned, found)
    yield from _genres(captioned, found)
    texts = [(s, said) for s in captioned if s.tags and (said := _said(s)).strip()]
    for count in found.tags:
        if normal(count.tag) == normal(trigger) or len(count.songs) < 2 or _in_metadata(count.tag):
            continue
        says = re.compile(
            rf"(?<!\w){re.escape(count.tag)}(?!\w)" if count.tag.isascii() else re.escape(count.tag), re.I
        )
        folded = count.tag.casefold()  # a regular expression for each tag and song would take minutes
        silent = [s for s, said in texts if folded in said and s.name not in count.songs and says.search(said)]
        if silent:
            reason = f"its sentences or genre say so, and {len(count.songs)} other songs have the tag"
            yield _add(count.tag, silent, reason)


def _said(tagged: Tagged) -> str:
    return f"{tagged.caption.sentences}\n{tagged.song.genre}".casefold()


def _voices(captioned: Sequence[Tagged], found: Statistics) -> Iterator[Advice]:
    """Whether somebody sings is known from the lyrics."""
    mute = [s for s in captioned if s.song.instrumental and s.song.lyrics and s.tags and not _sound(s)]
    sung = [s for s in captioned if not s.song.instrumental and s.tags and not _sound(s)]
    usual = [c.tag for c in found.tags if meaning.voices_of(c.tag) == {"voice"}]
    if mute:
        yield _add("instrumental", mute, "its lyrics say [Instrumental] and no tag does")
    if sung:
        yield _add(usual[0] if usual else "vocals", sung, "it has lyrics and no tag says that somebody sings")


def _sound(tagged: Tagged) -> set[str]:
    return {v for t in tagged.tags for v in meaning.voices_of(t)}


def _genres(captioned: Sequence[Tagged], found: Statistics) -> Iterator[Advice]:
    """A genre field that differs between songs and stands in no tag; one that all songs share is the trigger's."""
    genres: dict[str, list[Tagged]] = {}
    for song in captioned:
        if song.song.genre and song.tags:
            genres.setdefault(normal(song.song.genre), []).append(song)
    for genre, songs in genres.items():
        text = songs[0].song.genre
        silent = [s for s in songs if not any(genre in normal(t) or normal(t) in genre for t in s.tags)]
        known = any(normal(c.tag) == genre and len(c.songs) > 1 for c in found.tags)
        if len(songs) < len(captioned) and silent and parse(text).tags == (text,) and not known:
            yield _add(text, silent, "its genre field says so and no tag does")


def _add(tag: str, songs: Sequence[Tagged], reason: str) -> Advice:
    return Advice("add", tag, tuple(s.name for s in songs), reason, ("add", tag, *_in(songs)))


def _in(songs: Sequence[Tagged]) -> tuple[str, str]:
    """The option that selects these songs alone."""
    unique = all(s.name == s.song.path.name for s in songs)
    if len(songs) == 1:
        return "--where", f'{"name" if unique else "path"}="{songs[0].name}"'
    named = "|".join(re.escape(s.name) for s in songs)
    return "--where", f"name~^({named})$" if unique else f"path~^(.*/)?({named})$"
