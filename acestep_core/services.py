"""Asks a web service: retries, a limit of requests at once, and errors a person can act on.

A key is read from the environment at the moment it is sent. It goes to the base address only, is never an option, and
is cut out of whatever a service answers.
"""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from acestep_core.api import Plugin
from acestep_core.errors import FatalError, UserError
from acestep_core.options import SECRET, option

if TYPE_CHECKING:
    import httpx

FIRST_WAIT_S, LONGEST_DOUBLED_S = 0.5, 8.0  # what the OpenAI SDK waits between tries
LONGEST_ASKED_S = 120.0  # a service that asks for a longer pause is told to the user instead
_RETRIED = (408, 409, 429)  # and every 5xx
_LONGEST_MESSAGE = 300
_BAD_KEY = b"API_KEY_INVALID"  # Google's reason, sent with status 400
_NO_MODEL = b"model_not_found"  # OpenAI's code, sometimes sent with status 400
_NO_CREDIT = b"insufficient_quota"  # OpenAI's code for an empty account, sent with status 429


@dataclass(frozen=True)
class Call:
    """One request about one song. It holds no open file, so it can be sent again from the beginning."""

    method: str
    url: str
    """A path below the base address, or a whole address the service itself gave."""
    song: str
    """What the song is called in errors."""
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    fields: Mapping[str, str | list[str]] | None = None
    """Fields of a multipart form, in which the file is the part 'file'; without them the file is the body."""
    file: Path | None = None
    file_name: str = "audio"
    mime: str = "application/octet-stream"
    of_song: bool = False
    """Whether the address is of this song alone, so that a 404 says nothing about the others."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Service:
    """A web service by its name and base address. Threads may share one."""

    def __init__(
        self,
        name: str,
        base_url: str,
        key_env: str = "",
        key_header: str = "Authorization",
        key_prefix: str = "Bearer ",
        timeout_s: float = 300.0,
        retries: int = 4,
        at_once: int = 4,
    ):
        self.name, self.base_url, self.timeout_s, self.retries = name, base_url.rstrip("/"), timeout_s, retries
        self.key_env, self.key_header, self.key_prefix = key_env, key_header, key_prefix
        self.sleep: Callable[[float], None] = time.sleep
        self._slots, self._lock = threading.BoundedSemaphore(at_once), threading.Lock()
        self._client: httpx.Client | None = None

    def json(self, call: Call | Callable[[], Call]) -> Any:
        """What the service answers, read as a JSON object."""
        answer = self.send(call)
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            song = call.song if isinstance(call, Call) else "the upload"
            raise UserError(f"{self.name} answered for {song} with something that is no JSON", "check base_url")
        return found

    def send(self, call: Call | Callable[[], Call]) -> Answer:
        """The answer to a call, tried again where that helps; a function gives a new call for each try.

        A time-out while waiting for the answer is not tried again: the work is paid for each time.
        """
        import httpx

        for left in range(self.retries, -1, -1):
            now = call if isinstance(call, Call) else call()
            wait_s = min(FIRST_WAIT_S * 2 ** (self.retries - left), LONGEST_DOUBLED_S)
            try:
                answer = self._once(now)
            except (httpx.ReadTimeout, httpx.WriteTimeout) as e:
                raise self._too_slow(now) from e
            except httpx.RequestError as e:
                if not left:
                    raise self._cut(now, e) from e
                self.sleep(wait_s)
                continue
            if 200 <= answer.status < 300:
                return answer
            asked_s = _asked_wait_s(answer)
            if not left or not _worth_another(answer) or (asked_s or 0) > LONGEST_ASKED_S:
                raise self._refused(now, answer, asked_s)
            self.sleep(wait_s if asked_s is None else asked_s)
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _once(self, call: Call) -> Answer:
        import httpx

        with self._slots, ExitStack() as files:
            request = self._request(call, files)
            response = self._shared().send(request, stream=True)
            files.callback(response.close)
            body, until = bytearray(), time.monotonic() + self.timeout_s
            for part in response.iter_bytes():
                body += part
                if time.monotonic() > until:  # httpx limits the pause between two parts, not the whole
                    raise httpx.ReadTimeout("the answer does not end", request=request)
            return Answer(response.status_code, response.headers, bytes(body))

    def _request(self, call: Call, files: ExitStack) -> "httpx.Request":
        url = call.url if "://" in call.url else f"{self.base_url}/{call.url.lstrip('/')}"
        headers = dict(call.headers)
        if url.startswith(f"{self.base_url}/") and (key := self._key()):
            headers[self.key_header] = f"{self.key_prefix}{key}"
        body: dict[str, Any] = {} if call.json is None else {"json": call.json}
        if call.file is not None:
            opened = files.enter_context(call.file.open("rb"))
            part = (call.file_name, opened, call.mime)
            body = {"content": opened} if call.fields is None else {"data": call.fields, "files": {"file": part}}
            if call.fields is None:
                headers |= {"Content-Type": call.mime, "Content-Length": str(call.file.stat().st_size)}
        return self._shared().build_request(call.method, url, headers=headers, **body)

    def _shared(self) -> "httpx.Client":
        import httpx

        with self._lock:
            if self._client is None:
                self._client = httpx.Client(timeout=self.timeout_s)
            return self._client

    def _key(self) -> str:
        if not self.key_env:
            return ""
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise FatalError(
                f"{self.name} needs a key and the environment variable {self.key_env} is not set",
                f"export {self.key_env}=...; for a server of your own without keys: -o key_env=",
            )
        if not (key.isascii() and key.isprintable()):  # the HTTP library would show the key in its complaint
            raise FatalError(f"{self.key_env} holds characters no key of {self.name} has", "copy the key again")
        return key

    def _too_slow(self, call: Call) -> UserError:
        problem = f"{self.name} did not finish its answer for {call.song} within {self.timeout_s:g} s"
        return UserError(problem, "try again, or give it more with -o timeout_s=900")

    def _cut(self, call: Call, e: Exception) -> UserError:
        problem = f"The connection to {self.name} broke {self.retries + 1} times for {call.song} ({type(e).__name__})"
        return UserError(problem, "check base_url and the network, then run it again")

    def _refused(self, call: Call, answer: Answer, asked_s: float | None) -> UserError:
        said = self._without_key(_message(answer.body))
        said = f"{answer.status}: {said}" if said else str(answer.status)
        if answer.status in (401, 403) or (answer.status == 400 and _BAD_KEY in answer.body):
            hint = f"check the key in the environment variable {self.key_env}" if self.key_env else "set key_env"
            return FatalError(f"{self.name} refused the key, so {call.song} was not sent ({said})", hint)
        if not call.of_song and (answer.status == 404 or (answer.status == 400 and _NO_MODEL in answer.body)):
            return FatalError(f"{self.name} has no such model or address, so {call.song} was not sent ({said})",
                              "check the options model and base_url")  # fmt: skip
        if answer.status == 429 and _NO_CREDIT in answer.body:
            return FatalError(f"The account at {self.name} is used up, so {call.song} waits ({said})",
                              "add credit there and run it again")  # fmt: skip
        if answer.status == 413:
            return UserError(f"{call.song} is too large for {self.name} ({said})", "export it as .mp3 or split it")
        if answer.status == 429:
            wait = f"wait {asked_s:.0f} s" if asked_s else "wait"
            return UserError(f"{self.name} takes no more requests, so {call.song} waits ({said})",
                             f"{wait} and run it again, lower at_once, or look at your quota")  # fmt: skip
        if answer.status >= 500 or answer.status in _RETRIED:
            return UserError(f"{self.name} keeps failing for {call.song} ({said})", "run it again later")
        return UserError(
            f"{self.name} cannot do {call.song} ({said})", "check the options model, language and base_url"
        )

    def _without_key(self, text: str) -> str:
        key = os.environ.get(self.key_env, "").strip() if self.key_env else ""
        return text.replace(key, SECRET) if key else text


class Remote(Plugin):
    """The options of a plugin that asks a web service, and its `service`. Use it beside the class of the kind."""

    title: ClassVar[str] = "The service"
    key_header: ClassVar[str] = "Authorization"
    key_prefix: ClassVar[str] = "Bearer "

    base_url: str = option("", "address of the service, or of a server that speaks as it does")
    key_env: str = option("", "NAME of the environment variable that holds the key; empty for a server without keys")
    timeout_s: float = option(300.0, "how long an answer may take", gt=0)
    retries: int = option(4, "how often a failed request is sent again", ge=0, le=20)
    at_once: int = option(4, "how many requests may run at once", ge=1, le=64)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]*|", str(self.key_env)):
            raise UserError(
                f"'{self.name}': key_env is the NAME of an environment variable, in capital letters, not the key",
                "export MY_KEY=..., then -o key_env=MY_KEY",
            )
        if not re.match(r"https?://[^/@]+(/|$)", str(self.base_url)):
            raise UserError(f"'{self.name}': base_url is no http address without a password", "try https://HOST/v1")
        self.service = Service(self.title, self.base_url, self.key_env, self.key_header, self.key_prefix,
                               self.timeout_s, self.retries, self.at_once)  # fmt: skip

    def close(self) -> None:
        self.service.close()


def _worth_another(answer: Answer) -> bool:
    if answer.headers.get("x-should-retry") == "false" or _NO_CREDIT in answer.body:
        return False
    return answer.status in _RETRIED or answer.status >= 500


def _asked_wait_s(answer: Answer) -> float | None:
    """How long the service asks to wait: Retry-After in seconds or as a date, or Google's RetryInfo."""
    raw = answer.headers.get("retry-after", "")
    if re.fullmatch(r"\d+(\.\d+)?", raw):
        return float(raw)
    try:
        return max(0.0, parsedate_to_datetime(raw).timestamp() - time.time())
    except ValueError:
        found = re.search(rb'"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"', answer.body)
        return float(found[1]) if found else None


def _message(body: bytes) -> str:
    """What a service says went wrong, in any of the shapes they use, on one line."""
    try:
        found = json.loads(body)
    except ValueError:
        found = "" if body.lstrip().startswith(b"<") else body.decode(errors="replace")
    for name in ("error", "detail", "message", "msg"):
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict) and name in found:
            found = found[name]
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return " ".join(text.split())[:_LONGEST_MESSAGE]
