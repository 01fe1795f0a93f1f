"""What the transcribers over the network share: a song goes out in pieces, and the pieces' lines become one text."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core import Transcriber, Transcript, UserError, option
from acestep_core.languages import language_code
from acestep_core.services import Remote
from acestep_plugins.transcribers.lines import Token, joined, lines_of

if TYPE_CHECKING:
    from acestep_core.uploads import Estimate, Limits, Piece


class RemoteTranscriber(Remote, Transcriber):
    line_gap_s: float = option(1.5, "a pause this long between two words begins a new line", gt=0)
    longest_min: float = option(20.0, "longer songs are sent in pieces, cut where it is quiet", gt=0, le=120)

    def transcribe(self, audio: Path, *, language: str | None = None) -> Transcript:
        from acestep_core.uploads import prepared

        lines, languages = [], Counter[str]()
        with prepared(audio, self.limits()) as pieces:
            for piece in pieces:
                tokens, heard = self._heard(piece, audio.name, language_code(language))
                lines += lines_of(_later(tokens, piece.start_s), self.line_gap_s)
                languages.update([code] if (code := language_code(heard)) else [])
        text, segments = joined(lines)
        return Transcript(text, languages.most_common(1)[0][0] if languages else None, segments)

    def estimate(self, audio: Path) -> "Estimate":
        """What sending the file would take, without sending it."""
        from acestep_core.uploads import estimate

        return estimate(audio, self.limits(), self.usd_per_minute())

    @abstractmethod
    def limits(self) -> "Limits":
        """What one request may hold."""

    @abstractmethod
    def usd_per_minute(self) -> float | None:
        """The price of a minute of audio, None where it is not known."""

    @abstractmethod
    def _heard(self, piece: "Piece", song: str, language: str | None) -> tuple[list[Token], str | None]:
        """(what was sung in a piece, with times from its start; the language in any spelling)."""


def seconds(value: Any) -> float | None:
    """A time out of an answer, None for what is none."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return float(value) if usable else None


def texts_of(answer: dict[str, Any], song: str, title: str) -> str:
    """The whole text of an answer. Raises `UserError` if it has none."""
    if not isinstance(text := answer.get("text"), str):
        raise UserError(f"{title} answered for {song} without a text", "check base_url and model")
    return text


def _later(tokens: Iterable[Token], by_s: float) -> Iterable[Token]:
    for t in tokens:
        start_s, end_s = (None if at is None else at + by_s for at in (t.start_s, t.end_s))
        yield Token(t.text, start_s, end_s)
