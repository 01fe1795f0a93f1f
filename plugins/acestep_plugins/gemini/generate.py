"""Asks Gemini for JSON about a text or a piece of audio.

Small audio travels inside the request, larger through the Files API and is deleted there afterwards. Google marks
temperature and its like as deprecated for its newer models, so they are not sent unless given.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from acestep_core import UserError, option
from acestep_core.services import Call, Remote

if TYPE_CHECKING:
    from acestep_core.uploads import Piece

LARGEST_FILE_BYTES = 2_000_000_000  # of the Files API
LONGEST_S = 9 * 3600.0  # one prompt takes 9.5 hours of audio
TOKENS_PER_MINUTE = 32 * 60  # of audio
USD_PER_TOKEN = {"gemini-3.8-flash": 0.75e-6}  # of input, until the end of 2026; what it writes comes on top
FIRST_POLL_S, LONGEST_POLL_S = 0.5, 8.0
_STOPPED = {
    "MAX_TOKENS": ("its answer was cut off", "use a smaller longest_min or less thinking"),
    "RECITATION": ("it found a known work in its answer", "use another transcriber for this song"),
    "SAFETY": ("its safety filter stopped it", "use another model or plugin for this song"),
}


class Gemini(Remote):
    """Options of everything that asks Gemini."""

    title = "Gemini"
    key_header = "x-goog-api-key"
    key_prefix = ""

    base_url: str = option("https://generativelanguage.googleapis.com", "address of the service")
    key_env: str = option("GEMINI_API_KEY", "NAME of the environment variable with the key; empty for none")
    model: str = option("gemini-3.8-flash", "what listens")
    api: Literal["v1", "v1beta"] = option("v1", "version of the interface")
    thinking: Literal["default", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"] = option("default", "how long it thinks")
    temperature: float | None = option(None, "for older models; newer ones ask not to get it", ge=0, le=2)
    inline_mb: float = option(14.0, "larger audio goes through the Files API", ge=0, le=70)

    def usd_per_minute(self) -> float | None:
        """The price of listening; what the model writes comes on top."""
        known = self.base_url.startswith("https://generativelanguage.googleapis.com")
        price = USD_PER_TOKEN.get(self.model) if known else None
        return None if price is None else price * TOKENS_PER_MINUTE

    def ask(self, prompt: str, schema: Mapping[str, Any], song: str, piece: "Piece | None" = None) -> dict[str, Any]:
        """What the model answers, as the schema says."""
        if piece is None:
            return self._generate([{"text": prompt}], schema, song)
        if piece.path.stat().st_size <= self.inline_mb * 1e6:
            data = base64.b64encode(piece.path.read_bytes()).decode()
            return self._generate(
                [{"inlineData": {"mimeType": piece.mime, "data": data}}, {"text": prompt}], schema, song
            )
        with self._uploaded(piece, song) as uri:
            part = {"fileData": {"mimeType": piece.mime, "fileUri": uri}}
            return self._generate([part, {"text": prompt}], schema, song)

    def _generate(self, parts: list[dict[str, Any]], schema: Mapping[str, Any], song: str) -> dict[str, Any]:
        config: dict[str, Any] = {"responseMimeType": "application/json", "responseJsonSchema": dict(schema)}
        if self.thinking != "default":
            config["thinkingConfig"] = {"thinkingLevel": self.thinking}
        if self.temperature is not None:
            config["temperature"] = self.temperature
        body = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
        path = f"{self.api}/models/{self.model.removeprefix('models/')}:generateContent"
        return _content(self.service.json(Call("POST", path, song, json=body)), song)

    @contextmanager
    def _uploaded(self, piece: "Piece", song: str) -> Iterator[str]:
        """The address of the audio at Google's while the block runs."""

        def session() -> Call:
            """A new one for each try: the old one would go on where the connection broke."""
            headers = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
            address = self._session(piece, song)
            return Call("POST", address, song, headers, file=piece.path, mime=piece.mime, of_song=True)

        entry = self.service.json(session).get("file")
        if not isinstance(entry, dict) or not re.fullmatch(r"files/[\w-]+", str(entry.get("name"))):
            raise UserError(f"Gemini took {song} without saying where it is", "check base_url and api")
        try:
            yield self._ready(entry, song)
        finally:
            self._delete(entry["name"], song)

    def _session(self, piece: "Piece", song: str) -> str:
        headers = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(piece.path.stat().st_size),
            "X-Goog-Upload-Header-Content-Type": piece.mime,
        }
        about = {"file": {"displayName": piece.file_name}}
        answer = self.service.send(Call("POST", f"upload/{self.api}/files", song, headers, about))
        address = answer.headers.get("x-goog-upload-url", "")
        if not re.match(r"https?://", address):
            raise UserError(f"Gemini gave no address to upload {song} to", "check base_url and api")
        return address

    def _ready(self, entry: dict[str, Any], song: str) -> str:
        """The file's address once it may be used. Raises `UserError` if that takes longer than `timeout_s`."""
        waited_s, wait_s = 0.0, FIRST_POLL_S
        while entry.get("state", "ACTIVE") != "ACTIVE":
            if entry["state"] == "FAILED":
                raise UserError(f"Gemini could not read {song}", "export it again as .flac or .mp3")
            if waited_s >= self.timeout_s:
                raise UserError(f"Gemini did not get {song} ready within {self.timeout_s:g} s", "run it again later")
            self.service.sleep(wait_s)
            waited_s, wait_s = waited_s + wait_s, min(2 * wait_s, LONGEST_POLL_S)
            entry = self.service.json(Call("GET", f"{self.api}/{entry['name']}", song, of_song=True))
        return str(entry.get("uri") or f"{self.base_url.rstrip('/')}/{self.api}/{entry['name']}")

    def _delete(self, name: str, song: str) -> None:
        try:
            self.service.send(Call("DELETE", f"{self.api}/{name}", song, of_song=True))
        except UserError:
            pass  # Google deletes it after 48 hours; the answer has been paid for and is kept


def _content(answer: dict[str, Any], song: str) -> dict[str, Any]:
    """The JSON the model wrote. Raises `UserError` saying why it wrote none."""
    blocked = _dict(answer.get("promptFeedback")).get("blockReason")
    if blocked:
        raise UserError(f"Gemini refused {song} ({blocked})", "use another model or plugin for this song")
    candidates = answer.get("candidates")
    candidate = _dict(candidates[0]) if isinstance(candidates, list) and candidates else {}
    reason = candidate.get("finishReason", "STOP")
    if reason != "STOP":
        why, hint = _STOPPED.get(reason, ("it stopped early", "use another model or plugin for this song"))
        raise UserError(f"Gemini gave no answer for {song}: {why} ({reason})", hint)
    parts = _dict(candidate.get("content")).get("parts")
    parts = [_dict(p) for p in parts] if isinstance(parts, list) else []
    text = "".join(str(p.get("text", "")) for p in parts if not p.get("thought"))
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(
            f"Gemini answered for {song} without the JSON it was asked for", "run it again, or another model"
        )
    return found


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
