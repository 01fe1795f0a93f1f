"""What is to be made of each song: its prompts, the texts of every condition, and names for all it depends on."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from acestep_core import prompts
from acestep_core.data import Song
from acestep_core.dataset import Dataset
from acestep_core.encode_settings import EncodeSettings
from acestep_core.errors import UserError
from acestep_core.files import text_id
from acestep_core.kohya.subsets import asked_variants
from acestep_core.kohya.variants import prior_songs, rules_of
from acestep_core.parts import FRAME_RATE_HZ
from acestep_core.song_files import FORMAT
from acestep_core.wording import Prompt, prompts_of

_AUDIO = "1"  # of the latents; `FORMAT` of a song's file may change without them


@dataclass(frozen=True)
class Condition:
    """Texts that become one array of a song's file: condition.0 of its first prompt, crop.0 of that for a part."""

    name: str
    caption: str
    lyrics: str


@dataclass(frozen=True)
class Work:
    """A song with everything its numbers depend on. `audio_key` and `text_key` are short names of that."""

    song: Song
    name: str
    prompts: tuple[Prompt, ...]
    conditions: tuple[Condition, ...]
    crop: Mapping[str, Any]
    prior: Mapping[str, Any]
    varies: bool
    audio_key: str
    text_key: str

    @property
    def header(self) -> dict[str, str]:
        """For the song's file."""
        texts = json.dumps({c.name: [c.caption, c.lyrics] for c in self.conditions}, ensure_ascii=False)
        return {"audio_key": self.audio_key, "text_key": self.text_key, "name": self.name, "texts": texts}

    def entry(self, file: str, frames: int) -> dict[str, Any]:
        """For the manifest."""
        shown = {"prompts": [p.as_dict() for p in self.prompts]} | ({"crop": self.crop} if self.crop else {})
        inputs = text_id(self.audio_key, self.text_key, json.dumps({**shown, **self.prior}))
        return {"id": self.song.id, "file": file, "name": self.name, "caption": self.prompts[0].caption,
                "duration_s": round(self.song.duration_s, 3), "frames": frames, "inputs": inputs,
                "split": self.song.split, "repeats": self.song.repeats, **shown, **self.prior}  # fmt: skip


def works_of(
    dataset: Dataset, hashes: Mapping[str, str], settings: EncodeSettings, called: Mapping[Path, str],
    ignored: Collection[str],
) -> list[Work]:  # fmt: skip
    """What is to be made of the usable songs."""
    rule_of = rules_of(dataset, settings.rule, ignored)
    prior = prior_songs(dataset, ignored)
    if settings.prior_weight != 1 and not prior:
        raise UserError("--prior-weight does nothing: no song is is_reg", "leave it out, or say is_reg in a TOML")
    found = []
    for wording in dataset.wordings():
        song = wording.song
        rule = rule_of(song.path)
        told = prompts_of(wording, rule, settings.variants, settings.seed)
        conditions, crop = _conditions(song, told, settings)
        texts = [t for c in conditions for t in (c.name, c.caption, c.lyrics)]
        weight = {"prior": prior[song.path], "weight": settings.prior_weight} if song.path in prior else {}
        audio_key = text_id(_AUDIO, song.id, hashes["codec"], str(settings.seed))
        text_key = text_id(FORMAT, str(prompts.PROMPT_VERSION), *texts, hashes["text"], hashes["dit"])
        name, varies = called[song.path], rule.varies
        found.append(Work(song, name, tuple(told), conditions, crop, weight, varies, audio_key, text_key))
    return found


def still_notes(works: Sequence[Work]) -> list[str]:
    """A warning if prompts are to vary and the captions have nothing that can."""
    still = [w.name for w in works if w.varies and len({p.caption for p in w.prompts if p.caption}) < 2]
    if not still:
        return []
    shown = ", ".join(still[:3]) + (f" and {len(still) - 3} more" if len(still) > 3 else "")
    return [f"prompts do not vary where a caption has no two tags that may move or go: {shown}"]


def plain_only(works: Sequence[Work], dataset: Dataset, ignored: Collection[str]) -> tuple[list[Work], list[str]]:
    """(works, warnings) with one prompt a song, as the reference's files have it, and without songs held out.

    Raises `UserError` if the dataset asks for more.
    """
    asked = [key for key in asked_variants(dataset) if key not in ignored]
    if asked:
        raise UserError(f"The reference's files have one prompt a song, and the dataset asks for {', '.join(asked)}",
                        f"go on without it: --ignore {','.join(asked)}")  # fmt: skip
    kept = [replace(w, prompts=w.prompts[:1], conditions=w.conditions[:1]) for w in works]
    trained = [w for w in kept if w.song.split != "validation"]
    repeated = sum(w.song.repeats > 1 for w in trained)
    held, mixed = len(kept) - len(trained), sum(len(w.prompts) > 1 for w in works)
    told = (
        (held, f"{held} songs that are held out are not written: the reference would train on them"),
        (repeated, f"{repeated} songs that repeat are written once: the reference's files know no repeats"),
        (mixed, f"{mixed} songs have the genre or the caption as their prompt, not both in turns"),
    )
    return trained, [text for count, text in told if count]


def _conditions(
    song: Song, told: Sequence[Prompt], settings: EncodeSettings
) -> tuple[tuple[Condition, ...], dict[str, Any]]:
    """(conditions, how a song longer than the parts is shown)"""
    length = settings.crop_seconds
    cropped = length is not None and song.duration_s > length
    found = []
    if not cropped or settings.crop_share < 1:
        texts = [prompts.song_texts(song, p.caption) for p in told]
        found += [Condition(f"condition.{n}", *t) for n, t in enumerate(texts)]
    if length is None or not cropped:
        return tuple(found), {}
    words = settings.crop_lyrics == "whole"
    texts = [prompts.song_texts(song, p.caption, length, words) for p in told]
    found += [Condition(f"crop.{n}", *t) for n, t in enumerate(texts)]
    return tuple(found), {"frames": int(length * FRAME_RATE_HZ), "share": settings.crop_share}
