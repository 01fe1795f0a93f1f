"""OpenAI's transcription, and the servers that speak as it does.

OpenAI's present model gives text without times; whisper, at servers of one's own, gives words with times. Checked
against a server of our own that follows the published interface; never against the live service.
"""

from typing import TYPE_CHECKING, Any, Literal

from acestep_core import hookimpl, option
from acestep_plugins.transcribers.remote import RemoteTranscriber, seconds, texts_of

if TYPE_CHECKING:
    from acestep_core.uploads import Limits, Piece
    from acestep_plugins.transcribers.lines import Token

LARGEST_BYTES = 25_000_000  # the guide says 25 MB
USD_PER_MINUTE = {"gpt-transcribe": 0.0045}  # OpenAI's page of the model, November 2026


class OpenAi(RemoteTranscriber):
    name = "openai"
    title = "OpenAI"

    base_url: str = option("https://api.openai.com/v1", "address of the service, or of a server that speaks as it does")
    key_env: str = option("OPENAI_API_KEY", "NAME of the environment variable with the key; empty for none")
    model: str = option("gpt-transcribe", "what transcribes, such as whisper-1 at a server of your own")
    words: Literal["auto", "yes", "no"] = option("auto", "ask for times of words; auto: if the model is a whisper")
    prompt: str = option("", "words or names that may be sung, to help with spelling")

    def limits(self) -> "Limits":
        from acestep_core.uploads import Limits

        return Limits(LARGEST_BYTES, self.longest_min * 60)

    def usd_per_minute(self) -> float | None:
        return USD_PER_MINUTE.get(self.model) if self.base_url.startswith("https://api.openai.com/") else None

    def _heard(self, piece: "Piece", song: str, language: str | None) -> "tuple[list[Token], str | None]":
        from acestep_core.services import Call

        call = Call("POST", "audio/transcriptions", song, fields=self._fields(language), file=piece.path,
                    file_name=piece.file_name, mime=piece.mime)  # fmt: skip
        answer = self.service.json(call)
        return _tokens(answer, texts_of(answer, song, self.title)), _language(answer)

    def _fields(self, language: str | None) -> dict[str, str | list[str]]:
        timed = self.words == "yes" or (self.words == "auto" and "whisper" in self.model)
        fields: dict[str, str | list[str]] = {"model": self.model}
        fields |= {"response_format": "verbose_json" if timed else "json"}
        fields |= {"timestamp_granularities[]": ["word", "segment"]} if timed else {}
        fields |= {"prompt": self.prompt} if self.prompt else {}
        several = self.model.startswith("gpt-transcribe")  # it takes a list; all older ones take a single language
        return fields | ({"languages[]" if several else "language": language} if language else {})


def _tokens(answer: dict[str, Any], text: str) -> "list[Token]":
    """Words have times and no punctuation, segments the reverse: the lines need both."""
    from acestep_plugins.transcribers.lines import Token, aligned, plain_tokens

    segments, words = _timed(answer.get("segments"), "text"), _timed(answer.get("words"), "word")
    if words:
        return list(aligned([t.text for t in segments] or [text], words))
    return [t for s in segments for t in (s, Token("\n"))] or plain_tokens(text)


def _timed(entries: Any, name: str) -> "list[Token]":
    from acestep_plugins.transcribers.lines import Token

    entries = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    return [Token(str(e.get(name, "")), seconds(e.get("start")), seconds(e.get("end"))) for e in entries]


def _language(answer: dict[str, Any]) -> str | None:
    """Whisper names one language; gpt-transcribe lists codes, none if it is not sure."""
    listed = answer.get("languages")
    if isinstance(listed, list) and listed:
        return listed[0].get("code") if isinstance(listed[0], dict) else listed[0]
    return answer.get("language")


@hookimpl
def acestep_transcribers():
    return [OpenAi]
