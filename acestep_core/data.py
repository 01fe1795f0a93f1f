"""Songs and what is known about them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from acestep_core.parts import FRAME_RATE_HZ, MIN_FRAMES
from acestep_core.prompts import KEYSCALES, LANGUAGES, TIMESIGNATURES

INSTRUMENTAL = "[Instrumental]"
Split = Literal["train", "validation"]
Override = Literal["caption", "genre"]
OVERRIDES: tuple[Override | None, ...] = (None, "caption", "genre")
SPLITS: tuple[Split, ...] = ("train", "validation")
FIELDS = ("caption", "genre", "lyrics", "bpm", "keyscale", "timesignature", "language")
BPM_RANGE = (30, 300)  # ACE-Step 1.5 vocabulary, acestep/constants.py
MOST_REPEATS = 10_000  # an epoch's order is a list in memory
SHORTEST_S, LONGEST_S = MIN_FRAMES / FRAME_RATE_HZ, 600.0  # of the model; constants.py, conditioning_target.py

_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Problem:
    """One clear sentence about a file, with a remedy. A song with a problem is left out; the others go on."""

    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.remedy}" if self.remedy else self.text


@dataclass
class Song:
    """A piece of music: the audio file and its labels.

    `title` and `artist` stand in the file's tags and are no part of prompts. `lyrics` is "" when none are known;
    `sources` says per field where the value came from. `confidence` has the fields that a plugin gave and how sure it
    was; `reviewed` names those whose value a person has accepted. `split` is None while nobody has said which songs are
    held out: all are trained on. An epoch of training shows the song `repeats` times.
    """

    path: Path
    id: str = ""
    duration_s: float = 0.0
    rate_hz: int = 0
    channels: int = 0
    title: str = ""
    artist: str = ""
    caption: str = ""
    genre: str = ""
    lyrics: str = ""
    bpm: int | None = None
    keyscale: str = ""
    timesignature: str = ""
    language: str = "unknown"
    custom_tag: str = ""
    prompt_override: Override | None = None
    split: Split | None = None
    repeats: int = 1
    sources: dict[str, str] = field(default_factory=dict)
    confidence: dict[str, float | None] = field(default_factory=dict)
    reviewed: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def labelled(self) -> bool:
        return bool(self.caption)

    @property
    def unreviewed(self) -> list[str]:
        """The fields whose value a plugin gave and nobody has accepted."""
        return [n for n in FIELDS if n in self.confidence and n not in self.reviewed]

    def notes_on(self, name: str) -> list[str]:
        """The notes about the value of a field; these begin with its name, or 'its' and that, maybe behind a file."""
        return [n for n in self.notes if re.match(rf"(?:(?:.*: )?its )?{name}\b", n)]

    @property
    def instrumental(self) -> bool:
        return self.lyrics.strip().lower() in ("", "[instrumental]", "[inst]")

    def set(self, name: str, value: Any, source: str) -> None:
        """Store a field after checking it; a value that cannot be used becomes a problem, never a guess."""
        try:
            setattr(self, name, CHECKS[name](value))
            self.sources[name] = source
        except ValueError as e:
            self.problems.append(Problem(f"{name} {value!r} in {source} {e}", f"correct it in {source}"))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not text")
    if not _is_unicode(value):
        raise ValueError("holds half a character")
    return value.strip()


def _is_unicode(text: str) -> bool:
    """False for the halves of surrogate pairs, which JSON can spell but no file or tokenizer takes."""
    return _HALF.search(text) is None


def _bpm(value: Any) -> int:
    try:
        bpm = round(float("no" if isinstance(value, bool) else value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError("is not a number") from None
    if not BPM_RANGE[0] <= bpm <= BPM_RANGE[1]:
        raise ValueError(f"is outside {BPM_RANGE[0]} to {BPM_RANGE[1]}")
    return bpm


def _keyscale(value: Any) -> str:
    short = re.fullmatch(r"\s*([A-Ga-g])\s*([#b♯♭]?)\s*(major|minor|maj|min|m|M|)\s*", str(value), re.IGNORECASE)
    if short is None:
        raise ValueError("is no key such as 'F# minor' or 'Bb major'")
    scale = short[3] if short[3] in ("m", "M") else short[3].lower()
    key = f"{short[1].upper()}{short[2]} {'minor' if scale in ('m', 'min', 'minor') else 'major'}"
    if key not in KEYSCALES:
        raise ValueError("is no key such as 'F# minor' or 'Bb major'")
    return key


def _timesignature(value: Any) -> str:
    text = str(value).strip().split("/")[0]
    if text not in TIMESIGNATURES:
        raise ValueError(f"is none of {', '.join(TIMESIGNATURES)} (beats in a bar)")
    return text


def _language(value: Any) -> str:
    code = str(value).strip().lower()
    if code == "instrumental":
        return "unknown"
    if code not in LANGUAGES:
        raise ValueError("is no language code the model knows, such as en, zh or ja")
    return code


CHECKS = {
    "caption": _text,
    "genre": _text,
    "lyrics": _text,
    "bpm": _bpm,
    "keyscale": _keyscale,
    "timesignature": _timesignature,
    "language": _language,
}


def usable(songs: Iterable[Song]) -> list[Song]:
    """The songs without problems."""
    return [s for s in songs if not s.problems]


def names(songs: Sequence[Song]) -> dict[Path, str]:
    """What to call each song: its file name, or its path where several files have that name."""
    found = Counter(p.name for p in {s.path for s in songs})
    return {s.path: s.path.name if found[s.path.name] == 1 else str(s.path) for s in songs}
