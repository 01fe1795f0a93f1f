"""How often tags stand in captions, and which stand together."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from acestep_core.tags.captions import normal
from acestep_core.tags.folder import Tagged


@dataclass(frozen=True)
class TagCount:
    """A tag in its most frequent spelling, the songs that have it, and all spellings."""

    tag: str
    songs: tuple[str, ...]
    spellings: tuple[str, ...]


@dataclass(frozen=True)
class Statistics:
    """Tags from the most to the least frequent; songs without a caption; songs whose captions have sentences."""

    songs: int
    tags: list[TagCount]
    without_caption: list[str]
    with_sentences: list[str]
    together: list[tuple[str, str, int]]

    def share(self, count: TagCount) -> float:
        """Of the songs with a caption."""
        captioned = self.songs - len(self.without_caption)
        return len(count.songs) / captioned if captioned else 0.0


def statistics(songs: Sequence[Tagged]) -> Statistics:
    """What the captions of these songs have in common. A tag counts once per song, whatever its spelling."""
    owners: dict[str, dict[str, None]] = defaultdict(dict)
    spelt: dict[str, Counter[str]] = defaultdict(Counter)
    pairs: Counter[tuple[str, str]] = Counter()
    for song in songs:
        own = sorted({normal(t) for t in song.tags})
        for tag in own:
            owners[tag][song.name] = None
        for tag in song.tags:
            spelt[normal(tag)][tag] += 1
        pairs.update(combinations(own, 2))
    name = {tag: min(c, key=lambda t: (-c[t], t)) for tag, c in spelt.items()}
    counts = [TagCount(name[t], tuple(o), tuple(sorted(spelt[t]))) for t, o in owners.items()]
    together = sorted(((name[a], name[b], n) for (a, b), n in pairs.items()), key=lambda p: (-p[2], p[:2]))
    return Statistics(
        len(songs),
        sorted(counts, key=lambda c: (-len(c.songs), c.tag)),
        [s.name for s in songs if not s.text],
        [s.name for s in songs if s.caption.sentences],
        together,
    )
