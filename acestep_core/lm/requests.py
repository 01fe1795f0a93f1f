"""What can be asked of the 5 Hz language model, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from acestep_core import data
from acestep_core.data import BPM_RANGE, CHECKS
from acestep_core.errors import UserError, raise_all
from acestep_core.options import check_values, option
from acestep_core.prompts import KEYSCALES, LANGUAGES, TIMESIGNATURES

CODE_RATE_HZ = 5
SHORTEST_S, LONGEST_S = 10, round(data.LONGEST_S)
SLOWEST, FASTEST = BPM_RANGE
NO_INPUT = "NO USER INPUT"

Origin = Literal["user", "model", "constraint"]
"""Who a value is from; 'constraint': the grammar left the model nothing else, or cut it off."""


@dataclass(frozen=True)
class Metas:
    """What is known of a song. None and "" are not known."""

    bpm: int | None = None
    caption: str = ""
    duration_s: int | None = None
    genres: str = ""
    keyscale: str = ""
    language: str = ""
    timesignature: str = ""

    def problems(self) -> list[UserError]:
        """What the model could not say."""
        found = []
        if self.bpm is not None and not SLOWEST <= self.bpm <= FASTEST:
            found.append(UserError(f"bpm {self.bpm} is out of range", f"give {SLOWEST} to {FASTEST}"))
        if self.duration_s is not None and not SHORTEST_S <= self.duration_s <= LONGEST_S:
            found.append(UserError(f"{self.duration_s} s is out of range", f"give {SHORTEST_S} to {LONGEST_S} seconds"))
        told = (("key", self.keyscale, KEYSCALES), ("language", self.language, LANGUAGES),
                ("metre", self.timesignature, TIMESIGNATURES))  # fmt: skip
        for name, value, known in told:
            if value and value not in known:
                found.append(UserError(f"'{value}' is no {name} the model knows", f"use one of {', '.join(known)}"))
        return found


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a user may say of a song before the language model does."""

    bpm: int | None = option(None, "tempo", ge=SLOWEST, le=FASTEST)
    duration_s: int | None = option(None, "length in seconds", ge=SHORTEST_S, le=LONGEST_S)
    keyscale: str = option("", "key, such as 'F# minor'")
    timesignature: str = option("", "beats in a bar: 2, 3, 4 or 6")
    language: str = option("", "language of the lyrics, such as en, zh or ja")

    def metas(self) -> Metas:
        """As the model writes them. Raises `UserError` for what it does not know."""
        values, errors = {"bpm": self.bpm, "duration_s": self.duration_s}, []
        for name in ("keyscale", "timesignature", "language"):
            value = getattr(self, name)
            try:
                values[name] = CHECKS[name](value) if value not in ("", "unknown") else ""
            except ValueError as e:
                errors.append(UserError(f"{name} {value!r} {e}"))
        raise_all(errors, "What is known of the song")
        return Metas(**values)


FIELDS = tuple(sorted(f for f in Metas.__dataclass_fields__))


@dataclass(frozen=True)
class Plan:
    """Think a song through before it is made: what is not given of `metas` is the model's to say.

    `skip` names fields that it leaves out. `caption` is what the user asked for.
    """

    caption: str
    lyrics: str
    metas: Metas = Metas()
    skip: frozenset[str] = frozenset({"genres"})


@dataclass(frozen=True)
class Codes:
    """Audio codes of a song whose `metas` are known; as many as its duration asks for, if that is known."""

    caption: str
    lyrics: str
    metas: Metas
    negative: str = NO_INPUT
    """The caption that guidance leads away from; without one, no metas are told to it."""
    count: int | None = None
    """How many; those of the duration unless given."""

    @property
    def exact(self) -> int | None:
        return self.count or (self.metas.duration_s * CODE_RATE_HZ if self.metas.duration_s else None)


@dataclass(frozen=True)
class Understand:
    """Describe the music that audio codes are. None: imagine some."""

    codes: Sequence[int] | None
    metas: Metas = Metas()
    words: bool = True
    """Whether the lyrics are to be said as well, which takes longest."""


@dataclass(frozen=True)
class Create:
    """Make a whole song of a sentence. An empty one: any song."""

    query: str
    instrumental: bool = False
    metas: Metas = Metas()


@dataclass(frozen=True)
class Rewrite:
    """The same song, its caption and lyrics told as the model likes them."""

    caption: str
    lyrics: str
    metas: Metas = Metas()


Request = Plan | Codes | Understand | Create | Rewrite


@dataclass(frozen=True)
class Answer:
    """What a request gave. `origins` says of every field that is known who it is from."""

    metas: Metas = Metas()
    lyrics: str = ""
    codes: tuple[int, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    text: str = ""
    """All that the model said."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How the language model draws its tokens."""

    temperature: float = option(0.85, "how freely tokens are drawn; 0 = always the likeliest", ge=0, le=2)
    top_k: int = option(0, "draw among so many of the likeliest; 0 = all", ge=0)
    top_p: float = option(0.9, "draw among the likeliest that have this share together", gt=0, le=1)
    repetition_penalty: float = option(1.0, "makes tokens that were said less likely; 1 = no", ge=1, le=2)


@dataclass(frozen=True, kw_only=True)
class LmSettings(Drawing):
    """How it draws tokens, and how audio codes are led."""

    cfg: float = option(2.0, "how far audio codes are led from what no caption would give; 1 = not", ge=1, le=10)
    negative_prompt: str = option("", "a caption that audio codes are led away from")

    def checked(self) -> "LmSettings":
        raise_all(check_values(self, "lm"), "The settings of the language model")
        return self

    def options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
