"""What a generation is asked to do, as types: the instruction the model hears, its source, and what is to be made.

Source: task matrix of handler/conditioning_masks.py and constants.py of ACE-Step 1.5. A task is never told from the
words of an instruction.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from acestep_core.codes import code_problems
from acestep_core.errors import UserError
from acestep_core.options import nearest, option
from acestep_core.prompts import TEXT2MUSIC

Mode = Literal["conservative", "balanced", "aggressive"]
FROM_TOKENS = "Generate audio semantic tokens based on the given conditions:"
TRACKS = ("woodwinds", "brass", "fx", "synth", "strings", "percussion", "keyboard", "guitar", "bass", "drums",
          "backing_vocals", "vocals")  # fmt: skip
_FADE_FRAMES, _FADE_S = 25, 0.05  # of a repaint that keeps as much as it can, handler/generate_music.py


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """Fields are options of the command line. `source`, where a task has one, decides the length."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def instruction(self) -> str:
        """What the text encoder is told."""

    @property
    def decides_length(self) -> bool:
        """Whether the length follows from a source and cannot be asked for."""
        return True

    def problems(self) -> Iterator[UserError]:
        """What is wrong with the fields, whatever the model."""
        yield from ()

    def record(self) -> dict[str, Any]:
        return {"name": self.name, **{k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}}


@dataclass(frozen=True, kw_only=True)
class Text2Music(Task):
    """Music from nothing but words, or from the audio codes of a plan."""

    name = "text2music"

    codes: str = option(
        "",
        "audio codes, <|audio_code_12|><|audio_code_7|> or 12,7, or a file of them; they decide the length",
    )
    codes_strength: float = option(
        1.0, "share of the steps that hear the codes; later ones the words alone", ge=0, le=1
    )

    @property
    def decides_length(self) -> bool:
        return bool(self.codes)

    @property
    def instruction(self) -> str:
        return FROM_TOKENS if self.codes else TEXT2MUSIC

    def problems(self) -> Iterator[UserError]:
        if self.codes:
            yield from code_problems(self.codes)
        elif self.codes_strength != 1:
            yield UserError("--codes-strength does nothing without --codes", "leave it out")


@dataclass(frozen=True, kw_only=True)
class _OfSong(Task):
    source: Path | None = option(None, "the song that is worked on")

    def problems(self) -> Iterator[UserError]:
        if self.source is None:
            yield UserError(f"The task {self.name} needs a song", "give it with --source")


@dataclass(frozen=True, kw_only=True)
class Cover(_OfSong):
    """The song anew, in another style: its melody and rhythm are heard as audio codes."""

    name = "cover"

    cover_strength: float = option(1.0, "share of the steps that hear the song; later ones the words alone", ge=0, le=1)
    cover_noise: float = option(0.0, "how far from noise to begin, towards the song itself", ge=0, lt=1)

    @property
    def instruction(self) -> str:
        return FROM_TOKENS


@dataclass(frozen=True, kw_only=True)
class _InRegion(_OfSong):
    start: float = option(0.0, "where the region begins, in seconds; below 0 lies before the song")
    end: float = option(-1.0, "where it ends; -1 is the song's end, more lies behind it")

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        if self.end != -1 and self.end <= self.start:
            yield UserError(f"The region ends at {self.end:g} s, before it starts at {self.start:g} s", "correct --end")


@dataclass(frozen=True, kw_only=True)
class Repaint(_InRegion):
    """A region of the song is made anew; with a region that lies outside, the song grows."""

    name = "repaint"

    repaint_mode: Mode = option("balanced", "how much of the rest is held to the song")
    repaint_strength: float | None = option(None, "of balanced: 0 keeps most, 1 is free; 0.5 unless given", ge=0, le=1)

    @property
    def instruction(self) -> str:
        return "Repaint the mask area based on the given conditions:"

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        if self.repaint_mode != "balanced" and self.repaint_strength is not None:
            yield UserError(f"--repaint-strength does nothing: {self.repaint_mode} decides", "leave it out")
        if (
            self.start == 0
            and self.end == -1
            and (self.repaint_mode != "balanced" or self.repaint_strength is not None)
        ):
            yield UserError(
                "--repaint-mode and -strength do nothing: all of the song is repainted", "give --start or --end"
            )

    @property
    def held(self) -> float:
        """How much the song is held to: 1 as a conservative, 0 as an aggressive repaint does."""
        strength = 0.5 if self.repaint_strength is None else self.repaint_strength
        return {"conservative": 1.0, "balanced": 1 - strength, "aggressive": 0.0}[self.repaint_mode]

    @property
    def fade_frames(self) -> int:
        return round(_FADE_FRAMES * self.held)

    @property
    def fade_s(self) -> float:
        return _FADE_S * self.held


@dataclass(frozen=True, kw_only=True)
class _OfTrack(_OfSong):
    track: str = option("", "one of " + ", ".join(TRACKS))

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        yield from _track_problems([self.track] if self.track else [])

    @property
    def _named(self) -> str:
        return f"{self.track.upper()} track" if self.track else "track"


@dataclass(frozen=True, kw_only=True)
class Extract(_OfTrack):
    """One track of the song alone."""

    name = "extract"

    @property
    def instruction(self) -> str:
        return f"Extract the {self._named} from the audio:"


@dataclass(frozen=True, kw_only=True)
class Lego(_InRegion, _OfTrack):
    """A track played to the song, in a region or all along."""

    name = "lego"

    @property
    def instruction(self) -> str:
        return f"Generate the {self._named} based on the audio context:"


@dataclass(frozen=True, kw_only=True)
class Complete(_OfSong):
    """The tracks that a single one lacks."""

    name = "complete"

    tracks: tuple[str, ...] = option((), "which to add, of " + ", ".join(TRACKS))

    @property
    def instruction(self) -> str:
        if not self.tracks:
            return "Complete the input track:"
        return f"Complete the input track with {' | '.join(t.upper() for t in self.tracks)}:"

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        yield from _track_problems(self.tracks)


TASKS: Mapping[str, type[Task]] = {t.name: t for t in (Text2Music, Cover, Repaint, Extract, Lego, Complete)}

MODES: Mapping[str, str] = {"simple": "text2music", "custom": "text2music", "remix": "cover"}
"""What the reference's page calls some tasks; the others have one name."""


def task_named(name: str) -> type[Task]:
    """By a task's name or the page's. Raises `UserError` for another."""
    task = TASKS.get(MODES.get(name, name))
    if task is None:
        raise UserError(f"There is no task '{name}'", nearest(name, [*TASKS, *MODES]))
    return task


def _track_problems(tracks: list[str] | tuple[str, ...]) -> Iterator[UserError]:
    for track in tracks:
        if track not in TRACKS:
            yield UserError(f"There is no track '{track}'", nearest(track, TRACKS))
