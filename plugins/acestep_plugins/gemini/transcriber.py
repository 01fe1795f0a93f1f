"""Lyrics with section tags from Gemini, and tags for lyrics that have none."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core import Transcriber, Transcript, UserError, hookimpl, option
from acestep_core.prompts import LANGUAGES
from acestep_core.section_tags import with_tags, words_of
from acestep_plugins.gemini.generate import LARGEST_FILE_BYTES, LONGEST_S, Gemini

if TYPE_CHECKING:
    from acestep_core.uploads import Estimate, Limits

LISTEN = (
    "Write down the words that are sung in this recording, exactly as sung and in their own language and script, one "
    "line of text per sung line, repeated sections in full. Put a tag such as [Intro], [Verse], [Chorus], [Bridge] "
    "or [Outro] on a line of its own before each section. If nobody sings, give empty lyrics. Do not guess "
    "words you cannot hear and do not complete the lyrics from memory."
)
TAG = (
    "Here are the lyrics of this recording. Give them back with a tag such as [Intro], [Verse], [Chorus], [Bridge] or "
    "[Outro] on a line of its own before each section. Change, add or remove nothing else, not even mistakes.\n\n"
)


class GeminiTranscriber(Gemini, Transcriber):
    name = "gemini"

    longest_min: float = option(20.0, "longer songs are sent in pieces, cut where it is quiet", gt=0, le=120)

    def transcribe(self, audio: Path, *, language: str | None = None) -> Transcript:
        from acestep_core.uploads import prepared

        hint = f" The language is probably '{language}'." if language in LANGUAGES and language != "unknown" else ""
        with prepared(audio, self.limits()) as pieces:
            answers = [self.ask(LISTEN + hint, _schema("lyrics", "language"), audio.name, p) for p in pieces]
        texts = [_lyrics_of(a, audio.name) for a in answers]
        codes = Counter(c for a in answers if (c := a.get("language")) in LANGUAGES and c != "unknown")
        text = "\n\n".join(t for t in texts if words_of(t))
        return Transcript(text, codes.most_common(1)[0][0] if codes else None)

    def add_tags(self, audio: Path, lyrics: str) -> str:
        """The lyrics with section tags. Raises `UserError` if the model changed a word."""
        from acestep_core.uploads import Limits, prepared

        with prepared(audio, Limits(LARGEST_FILE_BYTES, LONGEST_S)) as pieces:
            answer = self.ask(TAG + lyrics, _schema("lyrics"), audio.name, pieces[0])
        return with_tags(lyrics, _lyrics_of(answer, audio.name), self.title)

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


def _lyrics_of(answer: dict[str, Any], song: str) -> str:
    lyrics = answer.get("lyrics")
    if not isinstance(lyrics, str):
        raise UserError(f"Gemini answered for {song} without lyrics", "run it again, or another model")
    return lyrics.strip()


@hookimpl
def acestep_transcribers():
    return [GeminiTranscriber]
