"""Reads the body of a request as the reference's clients send it: JSON, a form, or a form with files."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.guard import same_key
from acestep_plugins.commands.serve.service import Service

_FILES = {"reference_audio": "reference_audio_path", "ref_audio": "reference_audio_path",
          "src_audio": "src_audio_path", "ctx_audio": "src_audio_path"}  # fmt: skip
_MOST_FILES, _MOST_FIELDS = 2, 200


class WrongKey(UserError):
    """Neither the header nor the body has the key."""


async def body_of(request: Request, service: Service) -> dict[str, Any]:
    """The parameters; files in it are kept as uploads and stand there under their names, once the key was right."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS) as form:
            body: dict[str, Any] = {k: v for k, v in form.multi_items() if isinstance(v, str)}
            _check_key(request, body, service)
            for name, file in form.multi_items():
                if isinstance(file, UploadFile):
                    body[_place(name)] = await run_in_threadpool(_received, service, file)
            return body
    try:
        said = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError):
        raise UserError("The body is no JSON", "send an object with Content-Type: application/json") from None
    if not isinstance(said, Mapping):
        raise UserError("The body is no object", 'send {"prompt": "a slow waltz"}')
    _check_key(request, said, service)
    return dict(said)


def _check_key(request: Request, body: Mapping[str, Any], service: Service) -> None:
    """The guard lets such a request in only where it has no header with a key."""
    key = service.settings.key
    if key is None or request.headers.get("authorization"):
        return
    if not same_key(str(body.get("ai_token", "")), key):
        raise WrongKey("The key is missing or wrong", "send it as ai_token, or as a header")


def _place(name: str) -> str:
    if name not in _FILES:
        raise UserError(f"There is no file '{name}' in this request", "send ref_audio or ctx_audio")
    return _FILES[name]


def _received(service: Service, file: UploadFile) -> str:
    return service.uploads.receive(file.filename or "", file.file)["name"]
