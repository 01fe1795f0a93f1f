"""Lines such as [Verse] or [Guitar Solo] in lyrics: what is one, and how a tagged answer goes into a person's text."""

import re
from collections.abc import Sequence

from acestep_core.errors import UserError

_BRACKETS = re.compile(r"\[([^\[\]]+)\]")
_SECTION = re.compile(
    r"intro|verse|pre-?chorus|chorus|post-?chorus|refrain|hook|bridge|interlude|instrumental|inst|solo|break|breakdown|"
    r"build|build-?up|drop|rap|spoken|spoken word|outro|end|ending|coda|fade out",
    re.IGNORECASE,
)
_DETAILS = re.compile(r"\s+[-–—]\s*|\s*[:|,(]")  # [Chorus - anthemic], [Intro: soft piano]
_NUMBER = re.compile(r"\s*#?\d+[a-z]?\s*$", re.IGNORECASE)
_LONGEST_WORDS = 4  # [Final Pre-Chorus 2]; more words before any detail are sung words in brackets


def is_tag(line: str) -> bool:
    """Whether the line is a section tag and nothing else. Other lines in brackets count as words."""
    inside = _BRACKETS.fullmatch(line.strip())
    return inside is not None and names_section(inside[1])


def names_section(text: str) -> bool:
    """Whether a text such as 'Verse 2 - whispered' or 'Guitar Solo' names a section of a song."""
    name = _NUMBER.sub("", _DETAILS.split(text.strip(), maxsplit=1)[0])
    words = name.split()
    ends = (name, words[0], words[-1]) if 0 < len(words) <= _LONGEST_WORDS else ()
    return any(_SECTION.fullmatch(end) for end in ends)


def has_tags(lyrics: str) -> bool:
    return any(map(is_tag, lyrics.splitlines()))


def words_of(lyrics: str) -> list[str]:
    """The words without the section tags."""
    return [w for line in lyrics.splitlines() if not is_tag(line) for w in line.split()]


def with_tags(lyrics: str, tagged: str, plugin: str) -> str:
    """`lyrics` exactly as they are, with the tag lines of `tagged` in their places and a blank line above each.

    Raises `UserError` if `tagged` differs in more than tag lines, blank lines and spaces, or has no tag.
    """
    lines, found = lyrics.splitlines(), list[str]()
    at = 0
    for line in filter(str.split, tagged.splitlines()):
        following = next((i for i in range(at, len(lines)) if lines[i].split()), len(lines))
        if following < len(lines) and line.split() == lines[following].split():
            found += lines[at : following + 1]
            at = following + 1
        elif is_tag(line):
            found += [*lines[at:following], *_gap([*found, *lines[at:following]]), line.strip()]
            at = following
        else:
            raise _changed(plugin)
    if any(map(str.split, lines[at:])):
        raise _changed(plugin)
    if not has_tags("\n".join(found)):
        raise UserError(f"{plugin} found no section in the lyrics, so they stay as they are", "write the tags yourself")
    return "\n".join([*found, *lines[at:]])


def _gap(before: Sequence[str]) -> list[str]:
    """A blank line, but none at the beginning, below a blank one or below another tag."""
    return [""] if before and before[-1].strip() and not is_tag(before[-1]) else []


def _changed(plugin: str) -> UserError:
    return UserError(f"{plugin} changed words while adding tags, so its answer is refused and nothing was written",
                     "run it again, or write the tags yourself")  # fmt: skip
