"""What a dataset amounts to before anything loads: songs, repeats, labels, lengths, steps and problems."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.data import LONGEST_S, SHORTEST_S, Problem, Song, names
from acestep_core.dataset import Dataset
from acestep_core.errors import UserError
from acestep_core.kohya.buckets import Bucket, BucketRule, buckets_of, padding_of
from acestep_core.kohya.subsets import KohyaDataset, Subset
from acestep_core.kohya.variants import applied, balance_notes
from acestep_core.parts import CHANNELS, FRAME_RATE_HZ
from acestep_core.train_settings import TrainSettings, planned_steps, steps_per_epoch


@dataclass(frozen=True)
class Part:
    """Songs of one folder or subset. `shown` is songs times repeats; `steps` are those of one epoch."""

    name: str
    repeats: int
    tag: str
    songs: int
    left_out: int
    seconds: float
    shown: int
    steps: int
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Coverage:
    """How many songs have a label, out of how many, and who has not."""

    have: int
    of: int
    without: list[str]
    sources: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Everything `dataset check` shows; lengths in seconds, `padding` as shares.

    All numbers are of the songs that are trained on, without those `held_out`.
    """

    parts: list[Part]
    captions: Coverage
    lyrics: Coverage
    trigger: Coverage
    buckets: list[Bucket]
    padding: float
    padding_to_longest: float
    plan: TrainSettings
    songs: int
    held_out: int
    shown: int
    seconds: float
    shown_seconds: float
    latents_bytes: int
    steps_per_epoch: int
    steps: int
    variants: dict[str, dict[str, Any]]
    problems: list[str]
    notes: list[str]


def check(dataset: Dataset, plan: TrainSettings, ignore: Collection[str] = ()) -> Check:
    """Count what `encode` would take and `train` would do with these settings; nothing is decoded."""
    ignored, refused = _applied(dataset, ignore)
    called = names(dataset.songs)
    fitting = [s for s in dataset.songs if _fits(s)]
    good = [s for s in fitting if s.split != "validation"]
    rules = _rules(dataset)
    ruled = [(s, rules.get(id(s), BucketRule())) for s in good]
    buckets = buckets_of(ruled)
    captioned = {s.path: text for s, text in dataset.captions()}
    captions = _captions(good, captioned, called)
    notes, shown = [*dataset.notes, *balance_notes(dataset), *ignored], sum(s.repeats for s in good)
    problems = [*_problems(dataset, called), *refused, *_too_long(ruled, called), *_nothing(captions)]
    return Check(
        parts=list(_parts(dataset, {id(s) for s in good}, plan)),
        captions=captions,
        lyrics=_coverage(good, [s for s in good if s.lyrics], called, "lyrics"),
        trigger=_trigger(dataset, good, captioned, called),
        buckets=buckets,
        padding=padding_of(buckets),
        padding_to_longest=padding_of(buckets, max((s.duration_s for s in good), default=0.0)),
        plan=plan,
        songs=len(good),
        held_out=len(fitting) - len(good),
        shown=shown,
        seconds=sum(s.duration_s for s in good),
        shown_seconds=sum(s.repeats * s.duration_s for s in good),
        latents_bytes=sum(round(s.duration_s * FRAME_RATE_HZ) * CHANNELS * 4 for s in good),
        steps_per_epoch=steps_per_epoch(shown, plan),
        steps=planned_steps(shown, plan),
        variants={s.name: s.variants() for s in _subsets(dataset) if s.variants()},
        problems=problems,
        notes=notes,
    )


def _fits(song: Song) -> bool:
    """Whether encode takes it."""
    return not song.problems and SHORTEST_S <= song.duration_s <= LONGEST_S


def _subsets(dataset: Dataset) -> list[Subset]:
    return dataset.subsets if isinstance(dataset, KohyaDataset) else []


def _rules(dataset: Dataset) -> dict[int, BucketRule]:
    keys = ("min_bucket_seconds", "max_bucket_seconds", "bucket_step_seconds")
    return {id(song): BucketRule(*(float(s[k]) for k in keys)) for s in _subsets(dataset) for song in s.songs}


def _parts(dataset: Dataset, good: Collection[int], plan: TrainSettings) -> Iterator[Part]:
    """By subset, or by folder where nobody spoke of subsets; songs of other repeats are a part of their own."""
    subsets = _subsets(dataset)
    if subsets:
        for subset in subsets:
            yield _part(subset.name, subset["num_repeats"], subset.tag, subset.songs, good, plan, subset.settings())
        return
    groups: dict[tuple[Path, int], list[Song]] = {}
    for song in dataset.songs:
        groups.setdefault((song.path.parent, song.repeats), []).append(song)
    tag = dataset.metadata["custom_tag"]
    for (folder, repeats), songs in groups.items():
        yield _part(folder.name or str(folder), repeats, tag, songs, good, plan, {})


def _part(
    name: str, repeats: int, tag: str, songs: list[Song], good: Collection[int], plan: TrainSettings,
    settings: dict[str, dict[str, Any]],
) -> Part:  # fmt: skip
    taken = [s for s in songs if id(s) in good]
    shown = sum(s.repeats for s in taken)
    seconds = sum(s.duration_s for s in taken)
    return Part(
        name,
        repeats,
        tag,
        len(taken),
        sum(not _fits(s) for s in songs),
        seconds,
        shown,
        steps_per_epoch(shown, plan),
        settings,
    )


def _coverage(songs: list[Song], having: list[Song], called: dict[Path, str], label: str) -> Coverage:
    known = {id(s) for s in having}
    sources = Counter(_kind(s, s.sources.get(label, "")) for s in having)
    return Coverage(len(having), len(songs), [called[s.path] for s in songs if id(s) not in known], dict(sources))


def _kind(song: Song, source: str) -> str:
    """'song.caption.txt' of a song is '.caption.txt' of any; a plugin counts as one however sure it was."""
    return re.sub(r" \d\.\d\d$", "", source.removeprefix(song.path.stem)) or "trigger or prefix alone"


def _captions(songs: list[Song], captioned: dict[Path, str], called: dict[Path, str]) -> Coverage:
    return _coverage(songs, [s for s in songs if captioned.get(s.path, "").strip()], called, "caption")


def _trigger(dataset: Dataset, good: list[Song], captioned: dict[Path, str], called: dict[Path, str]) -> Coverage:
    """Which of the songs that were given a trigger or class tokens have it in their caption."""
    tags = {id(song): s.tag for s in _subsets(dataset) for song in s.songs}
    everywhere = dataset.metadata["custom_tag"]
    asked = [(s, tags.get(id(s)) or s.custom_tag or everywhere) for s in good]
    tagged = [(s, tag) for s, tag in asked if tag]
    having = {id(s) for s, tag in tagged if tag in captioned.get(s.path, "")}
    return Coverage(len(having), len(tagged), [called[s.path] for s, _ in tagged if id(s) not in having])


def _applied(dataset: Dataset, ignore: Collection[str]) -> tuple[list[str], list[str]]:
    """(warnings, what the dataset asks for and cannot have). Songs have their repeats from here on."""
    try:
        return applied(dataset, ignore), []
    except UserError as e:
        return [], [str(Problem(e.problem, e.hint))]


def _problems(dataset: Dataset, called: dict[Path, str]) -> list[str]:
    found = [str(p) for p in dataset.problems]
    for song in dataset.songs:
        found += [f"{called[song.path]}: {p}" for p in song.problems]
        if not song.problems and not _fits(song):
            found.append(f"{called[song.path]}: {_length_problem(song)}")
    return found


def _length_problem(song: Song) -> Problem:
    text = f"it lasts {song.duration_s:.2f} s, the model takes {SHORTEST_S:g} to {LONGEST_S:g} s"
    return Problem(text, "leave it out" if song.duration_s < SHORTEST_S else "cut it into pieces")


def _too_long(ruled: list[tuple[Song, BucketRule]], called: dict[Path, str]) -> list[str]:
    return [
        f"{called[s.path]}: it lasts {s.duration_s:.2f} s, above max_bucket_seconds {rule.longest_s:g}; raise that"
        for s, rule in ruled
        if rule.end(s.duration_s) is None
    ]


def _nothing(captions: Coverage) -> list[str]:
    if captions.have or not captions.of:
        return [] if captions.of else ["there is no song that can be used"]
    return ["no song has a caption; write {stem}.caption.txt beside each, or annotate the folder"]
