"""What a composed piece is: its notes and drum hits in seconds, and everything that may be said about it."""

from dataclasses import dataclass
from typing import Any, Literal

Part = Literal["melody", "chords", "bass"]
Drum = Literal["kick", "snare", "hat"]
PARTS: tuple[Part, ...] = ("melody", "chords", "bass")
STEMS = (*PARTS, "drums")
STYLES = ("arpeggio", "chords", "melody", "bass riff", "waltz", "bells")
MODES = ("major", "minor", "pentatonic", "dorian")
METRES = ("2", "3", "4", "6")
BEATS = {"2": 2, "3": 3, "4": 4, "6": 2}  # in a bar; those of 6/8 are dotted quarters
DIVISIONS = {"2": 2, "3": 2, "4": 2, "6": 3}  # of a beat into eighths
SLOWEST, FASTEST = 60, 180
SHORTEST_S, LONGEST_S = 10.0, 20.0
FRAME_S = 0.04  # lengths are whole latent frames
HELD_OUT: dict[str, Any] = {"style": "bells", "mode": "pentatonic", "metre": "6"}
"""What `compose` makes only when all three are asked for: no training on other pieces has seen it."""


@dataclass(frozen=True)
class Note:
    """`pitch` is the MIDI number, `velocity` 1 to 127."""

    start_s: float
    duration_s: float
    pitch: int
    velocity: int
    part: Part


@dataclass(frozen=True)
class Hit:
    time_s: float
    drum: Drum


@dataclass(frozen=True)
class Piece:
    """`bpm` counts quarters, in 6/8 dotted quarters; `keyscale` is major or minor whatever the mode.

    `lyrics` is "" for an instrumental; else the notes of the melody are as many as its syllables.
    """

    seed: int
    seconds: float
    bpm: int
    keyscale: str
    mode: str
    timesignature: str
    style: str
    drums: bool
    notes: tuple[Note, ...]
    hits: tuple[Hit, ...]
    lyrics: str = ""
    language: str = "unknown"
    caption: str = ""

    @property
    def beat_s(self) -> float:
        return 60 / self.bpm

    @property
    def bar_s(self) -> float:
        return self.beat_s * BEATS[self.timesignature]


def held_out(piece: Piece) -> bool:
    """Whether it is in the style kept from training: pentatonic bells in 6/8."""
    return {"style": piece.style, "mode": piece.mode, "metre": piece.timesignature} == HELD_OUT
