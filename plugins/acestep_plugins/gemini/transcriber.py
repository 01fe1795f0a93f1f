"""Lyrics with section tags from Gemini, and tags for lyrics that have none."""

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core import Transcriber, Transcript, UserError, hookimpl, option
from acestep_core.prompts import LANGUAGES
from acestep_plugins.gemini.generate import LARGEST_FILE_BYTES, Gemini

if TYPE_CHECKING:
    from acestep_core.uploads import Estimate, Limits

LISTEN = (
    "Write down the words that are sung in this recording, exactly as sung and in their own language and script, one "
    "line of text per sung line, repeated sections in full. Put a tag such as [Intro], [Verse], [Chorus], [Bridge] "
    "or [Outro] on a line of its own before each section. If nobody sings, give empty lyrics. Do not guess "
    "words you cannot hear and do not complete the lyrics from memory."
)
TAG = (
    "Here are the lyrics of a song. Give them back with a tag such as [Intro], [Verse], [Chorus], [Bridge] or "
    "[Outro] on a line of its own before each section. Change, add or remove nothing else, not even mistakes.\n\n"
)
_TAG = re.compile(
    r"\[(intro|verse|pre-?chorus|chorus|post-?chorus|refrain|hook|bridge|interlude|instrumental|inst|solo|break|"
    r"breakdown|build-?up|drop|outro|end)\b[^\]]*\]",
    re.IGNORECASE,
)


class GeminiTranscriber(Gemini, Transcriber):
    name = "gemini"

    longest_min: float = option(20.0, "longer songs are sent in pieces, cut where it is quiet", gt=0, le=120)

    def transcribe(self, audio: Path, *, language: str | None = None) -> Transcript:
        from acestep_core.uploads import prepared

        hint = f" The language is probably '{language}'." if language in LANGUAGES and language != "unknown" else ""
        with prepared(audio, self.limits()) as pieces:
            answers = [self.ask(LISTEN + hint, _schema("lyrics", "language"), audio.name, p) for p in pieces]
        texts = [str(a.get("lyrics") or "").strip() for a in answers]
        codes = Counter(c for a in answers if (c := a.get("language")) in LANGUAGES and c != "unknown")
        text = "\n\n".join(t for t in texts if _words(t))
        return Transcript(text, codes.most_common(1)[0][0] if codes else None)

    def add_tags(self, lyrics: str, song: str = "the lyrics") -> str:
        """The lyrics with section tags. Raises `UserError` if the model changed a word."""
        tagged = self.ask(TAG + lyrics, _schema("lyrics"), song).get("lyrics")
        if not isinstance(tagged, str) or _words(tagged) != _words(lyrics):
            raise UserError(f"Gemini changed words of {song} while tagging, so its answer is refused", "run it again")
        return tagged.strip()

    def limits(self) -> "Limits":
        from acestep_core.uploads import Limits

        return Limits(LARGEST_FILE_BYTES, self.longest_min * 60)

    def estimate(self, audio: Path) -> "Estimate":
        """What sending the file would take, without sending it."""
        from acestep_core.uploads import estimate

        return estimate(audio, self.limits(), self.usd_per_minute())


def _schema(*names: str) -> dict:
    known = {"lyrics": {"type": "string"}, "language": {"type": "string", "enum": list(LANGUAGES)}}
    properties = {name: known[name] for name in names}
    return {"type": "object", "properties": properties, "required": list(names)}


def _words(lyrics: str) -> list[str]:
    """The words without section tags; any other line in brackets counts as words."""
    return [w for line in lyrics.splitlines() if not _TAG.fullmatch(line.strip()) for w in line.split()]


@hookimpl
def acestep_transcribers():
    return [GeminiTranscriber]
