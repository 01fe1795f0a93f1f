"""Buckets of lengths, as Kohya's trainers sort pictures by size: what batches of songs would pad."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from acestep_core.data import Song
from acestep_core.kohya.keys import KEYS


@dataclass(frozen=True)
class BucketRule:
    """Buckets end at multiples of `step_s` from `shortest_s` to `longest_s`."""

    shortest_s: float = KEYS["min_bucket_seconds"].default
    longest_s: float = KEYS["max_bucket_seconds"].default
    step_s: float = KEYS["bucket_step_seconds"].default

    def end(self, duration_s: float) -> float | None:
        """The end of the bucket of a song; None if it is longer than all."""
        if duration_s > self.longest_s:
            return None
        steps = math.ceil(round(duration_s / self.step_s, 6))  # 30.000000004 s is in the bucket of 30 s
        return min(max(round(steps * self.step_s, 2), self.shortest_s), self.longest_s)


@dataclass(frozen=True)
class Bucket:
    """Songs up to a length; `shown` counts repeats, as do `seconds` and `padding` (share of the whole bucket)."""

    end_s: float
    songs: int
    shown: int
    seconds: float

    @property
    def padding(self) -> float:
        return 1 - self.seconds / (self.shown * self.end_s)


def buckets_of(songs: Iterable[tuple[Song, BucketRule]]) -> list[Bucket]:
    """The buckets that hold any song, shortest first; songs longer than all are in none."""
    found: dict[float, list[Song]] = {}
    for song, rule in songs:
        end = rule.end(song.duration_s)
        if end is not None:
            found.setdefault(end, []).append(song)
    return [
        Bucket(end, len(inside), sum(s.repeats for s in inside), sum(s.repeats * s.duration_s for s in inside))
        for end, inside in sorted(found.items())
    ]


def padding_of(buckets: Iterable[Bucket], to_s: float | None = None) -> float:
    """Share of padding if every song is filled up to the end of its bucket, or all to one length."""
    known = list(buckets)
    whole = sum(b.shown * (b.end_s if to_s is None else to_s) for b in known)
    return 1 - sum(b.seconds for b in known) / whole if whole else 0.0
