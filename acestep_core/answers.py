"""What transcribers and annotators answer."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Segment:
    """A stretch of transcribed text; times in seconds from the start of the file."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Transcript:
    """Lyrics as heard: one line per line, with the language code if the transcriber knows it.

    The confidences are 0 to 1, or None where it cannot say; below 0.5 the lyrics are shown as a guess.
    """

    text: str
    language: str | None = None
    segments: tuple[Segment, ...] = ()
    confidence: float | None = None
    language_confidence: float | None = None


@dataclass(frozen=True)
class Value:
    """One annotated field with how sure the annotator is, 0 to 1 (None = it cannot say).

    `alternatives` are other values that it may be, the likeliest first: a person who reviews it sees them.
    """

    value: Any
    confidence: float | None = None
    alternatives: tuple[Any, ...] = ()
