"""Who may come in: the key, and for pages of other sites that a browser shows, nobody."""

import contextlib
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.answers import refusal
from acestep_plugins.commands.serve.settings import LOOPBACK, ServeSettings

Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]
OPEN = ("/health",)
BY_BODY = ("/release_task", "/query_result", "/format_input", "/create_random_sample", "/v1/create_sample", "/v1/init",
           "/v1/lora/load", "/v1/lora/unload", "/v1/lora/toggle", "/v1/lora/scale")  # fmt: skip
"""Paths that may have the key in their body, as clients of the reference do."""
WITH_FILES = ("/v1/files", "/release_task", "/v1/chat/completions")
_SMALL = 2_000_000


class Guard:
    """ASGI middleware, in front of everything."""

    def __init__(self, app: Asgi, settings: ServeSettings):
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        refused = self._refused(scope, headers)
        if refused is not None:
            await refused(scope, receive, send)
            return
        body = Body(receive, send, self._most(scope["path"], headers))
        with contextlib.suppress(ClientDisconnect):  # of a body that was cut off here
            await self._app(scope, body.receive, body.send)
        if body.too_large:
            hint = f"send at most {body.most / 1e6:g} MB"
            closing = {"Connection": "close"}  # nobody waits for the rest
            await refusal(413, UserError("The request is too large", hint), closing)(scope, receive, send)

    def _most(self, path: str, headers: dict[str, str]) -> int:
        """Bytes of a body: of those with files in them what a file may have, and a little around it.

        Nobody sends files whose key is still to be looked for.
        """
        known = self._settings.key is None or "authorization" in headers
        large = known and path.startswith(WITH_FILES)
        return _SMALL + (round(self._settings.max_upload_mb * 1e6) if large else 0)

    def _refused(self, scope: Scope, headers: dict[str, str]) -> Any:
        host = headers.get("host", "")
        if self._settings.host in LOOPBACK and _name(host) not in LOOPBACK:
            error = UserError(f"This server is not called '{_name(host)}'", "ask it as 127.0.0.1 or localhost")
            return refusal(421, error)
        origin = headers.get("origin")
        elsewhere = origin is not None and urlsplit(origin).netloc != host
        if elsewhere or headers.get("sec-fetch-site") == "cross-site":
            error = UserError("Pages of other sites may not use this server", "ask it from a program")
            return refusal(403, error)
        key = self._settings.key
        if key is None or scope["path"] in OPEN:
            return None
        given = headers.get("authorization", "")
        scheme, _, word = given.partition(" ")
        if scheme.lower() == "bearer" and same_key(word.strip(), key):
            return None
        if not given and scope["path"] in BY_BODY:
            return None  # looked at there, before anything else
        return refusal(401, UserError("The key is missing or wrong", "send the header Authorization: Bearer KEY"))


class Body:
    """The body of a request, which ends where it is too large, and then nothing is answered but that."""

    def __init__(self, receive: Any, send: Any, most: int):
        self._receive, self._send, self.most = receive, send, most
        self._read, self.too_large, self._answering = 0, False, False

    async def receive(self) -> Any:
        if self.too_large:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > self.most and not self._answering:
            self.too_large = True
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Any) -> None:
        self._answering = True
        if not self.too_large:
            await self._send(message)


def same_key(given: str, key: str) -> bool:
    """In a time that tells nothing of how much is right."""
    return hmac.compare_digest(given.encode(), key.encode())


def _name(host: str) -> str:
    """Of 'localhost:8001' or '[::1]:8001'."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].lower()
