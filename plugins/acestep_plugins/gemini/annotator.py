"""Caption, genre and language of a song from Gemini."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core import Annotator, Song, Value, hookimpl
from acestep_core.prompts import LANGUAGES
from acestep_plugins.gemini.generate import LARGEST_FILE_BYTES, LONGEST_S, Gemini

if TYPE_CHECKING:
    from acestep_core.uploads import Estimate, Limits

LISTEN = "Listen to this recording and describe the music as the schema says, from what can be heard alone."
SCHEMA: dict[str, dict[str, Any]] = {
    "caption": {
        "type": "string",
        "description": "one to three English sentences: style, mood, instruments, voice, production; no names",
    },
    "genre": {"type": "string", "description": "one to three genres in English, separated by commas"},
    "language": {"type": "string", "enum": list(LANGUAGES), "description": "sung language; unknown if nobody sings"},
}


class GeminiAnnotator(Gemini, Annotator):
    name = "gemini"

    def annotate(self, song: Song, wanted: Sequence[str]) -> dict[str, Value]:
        from acestep_core.uploads import prepared

        fields = [f for f in SCHEMA if f in wanted]
        if not fields:
            return {}
        schema = {"type": "object", "properties": {f: SCHEMA[f] for f in fields}, "required": fields}
        with prepared(song.path, self.limits()) as pieces:
            answer = self.ask(LISTEN, schema, song.path.name, pieces[0])
        texts = {f: answer[f].strip() for f in fields if isinstance(answer.get(f), str)}
        return {f: Value(text) for f, text in texts.items() if _says_something(f, text)}

    def limits(self) -> "Limits":
        from acestep_core.uploads import Limits

        return Limits(LARGEST_FILE_BYTES, LONGEST_S)

    def estimate(self, audio: Path) -> "Estimate":
        """What sending the file would take, without sending it."""
        from acestep_core.uploads import estimate

        return estimate(audio, self.limits(), self.usd_per_minute())


def _says_something(field: str, text: str) -> bool:
    return bool(text) if field != "language" else text in LANGUAGES and text != "unknown"


@hookimpl
def acestep_annotators():
    return [GeminiAnnotator]
