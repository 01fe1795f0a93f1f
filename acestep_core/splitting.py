"""Which songs are held out to validate on: drawn with a seed, and never one half of what belongs together."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from acestep_core.data import SPLITS, Song, Split
from acestep_core.files import text_id

_TAG = re.compile(r"\[[^\]]*\]")
_TELLING = 40  # letters of lyrics from which two songs with the same words are versions of one


def split_songs(
    songs: Sequence[Song], share: float, seed: int, kept: Mapping[str, Split] | None = None
) -> dict[str, Split]:
    """Song id -> train or validation, with `share` of the songs (0 to 1) held out, as near as whole groups allow.

    Songs that belong together (the same recording, the same file name but for its ending, the same lyrics) are on the
    same side. What `kept` says stays, so that a song that was held out once stays so when songs are added. As long as
    there are two groups and `share` is above 0, both sides have one.
    """
    groups = song_groups(songs)
    said = [(group, _said(group, kept or {})) for group in groups]
    held = [g for g, side in said if side == "validation"]
    trained = [g for g, side in said if side == "train"]
    free = sorted((g for g, side in said if side is None), key=lambda g: _lot(g, seed))
    for number, group in enumerate(free, 1):
        count, wanted = sum(map(len, held)), share * len(songs)
        nearer = abs(count + len(group) - wanted) < abs(count - wanted)
        last = number == len(free) and not trained
        take = share > 0 and (nearer or not held) and not last
        (held if take else trained).append(group)
    return {s.id: side for groups, side in ((trained, "train"), (held, "validation")) for g in groups for s in g}


def song_groups(songs: Sequence[Song]) -> list[list[Song]]:
    """Songs that share a trait in common, directly or through others, in the order of their first one."""
    parent = list(range(len(songs)))

    def root(n: int) -> int:
        while parent[n] != n:
            n = parent[n]
        return n

    seen: dict[tuple[str, str], int] = {}
    for n, song in enumerate(songs):
        for trait in _traits(song):
            first = root(seen.setdefault(trait, n))
            parent[max(first, root(n))] = min(first, root(n))
    groups: dict[int, list[Song]] = {}
    for n, song in enumerate(songs):
        groups.setdefault(root(n), []).append(song)
    return list(groups.values())


def _lot(group: Sequence[Song], seed: int) -> str:
    return text_id("split", str(seed), *sorted(s.id for s in group))


def _traits(song: Song) -> list[tuple[str, str]]:
    found = [("id", song.id), ("name", _plain(song.path.stem))]
    words = "".join(c for c in _plain(_TAG.sub("", song.lyrics)) if c.isalpha())
    return found + ([("lyrics", words)] if len(words) >= _TELLING else [])


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _said(group: Sequence[Song], kept: Mapping[str, Split]) -> Split | None:
    """What was said of one song of the group is said of all; held out wins, since trained on is what leaks."""
    said = {kept[s.id] for s in group if s.id in kept}
    return next((side for side in reversed(SPLITS) if side in said), None)
