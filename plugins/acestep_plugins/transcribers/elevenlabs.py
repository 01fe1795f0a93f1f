"""ElevenLabs Scribe: words with times, and the spaces between them as the language has them.

Checked against a server of our own that follows the published interface; never against the live service.
"""

from typing import TYPE_CHECKING, Any

from acestep_core import hookimpl, option
from acestep_plugins.transcribers.remote import RemoteTranscriber, seconds, texts_of

if TYPE_CHECKING:
    from acestep_core.uploads import Limits, Piece
    from acestep_plugins.transcribers.lines import Token

LARGEST_BYTES = 3_000_000_000  # of one upload, as the service's pages say
FORMATS = ("FLAC", "MP3", "WAV", "VORBIS", "OPUS")
USD_PER_MINUTE = {"scribe_v2": 0.22 / 60}  # the service's prices, November 2026
KEYTERMS_COST = 1.2  # times the price


class ElevenLabs(RemoteTranscriber):
    name = "elevenlabs"
    title = "ElevenLabs"
    key_header = "xi-api-key"
    key_prefix = ""

    base_url: str = option("https://api.elevenlabs.io", "address of the service, or of a server that speaks as it does")
    key_env: str = option("ELEVENLABS_API_KEY", "NAME of the environment variable with the key; empty for none")
    model: str = option("scribe_v2", "what transcribes")
    keyterms: list[str] = option([], "words or names that may be sung, each of at most 50 letters; costs 20 % more")

    def limits(self) -> "Limits":
        from acestep_core.uploads import Limits

        return Limits(LARGEST_BYTES, self.longest_min * 60, FORMATS)

    def usd_per_minute(self) -> float | None:
        price = USD_PER_MINUTE.get(self.model) if self.base_url.startswith("https://api.elevenlabs.io") else None
        return price if price is None or not self.keyterms else price * KEYTERMS_COST

    def _heard(self, piece: "Piece", song: str, language: str | None) -> "tuple[list[Token], str | None]":
        from acestep_core.services import Call

        fields: dict[str, str | list[str]] = {"model_id": self.model, "timestamps_granularity": "word"}
        fields |= {"tag_audio_events": "false", "diarize": "false"}
        fields |= {"keyterms": self.keyterms} if self.keyterms else {}
        fields |= {"language_code": language} if language else {}
        call = Call("POST", "v1/speech-to-text", song, fields=fields, file=piece.path, file_name=piece.file_name,
                    mime=piece.mime)  # fmt: skip
        answer = self.service.json(call)
        return _tokens(answer, texts_of(answer, song, self.title)), answer.get("language_code")


def _tokens(answer: dict[str, Any], text: str) -> "list[Token]":
    """Entries joined exactly as given are the text; sounds such as (applause) are no words."""
    from acestep_plugins.transcribers.lines import Token, plain_tokens

    entries = answer.get("words")
    entries = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    sung = [e for e in entries if e.get("type") != "audio_event"]
    if not entries:
        return plain_tokens(text)
    return [Token(str(e.get("text", "")), *_times(e)) for e in sung]


def _times(entry: dict[str, Any]) -> tuple[float | None, float | None]:
    """Of words only: a space lasts as long as the pause it stands for, which is what breaks lines."""
    if entry.get("type") == "spacing":
        return None, None
    return seconds(entry.get("start")), seconds(entry.get("end"))


@hookimpl
def acestep_transcribers():
    return [ElevenLabs]
