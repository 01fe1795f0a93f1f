"""Music by way of a chat: /v1/chat/completions as clients of OpenAI and OpenRouter speak it.

Source: openrouter_models.py and openrouter_adapter.py of ACE-Step 1.5. Every clip is answered, not the first alone.
"""

import asyncio
import base64
import binascii
import io
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.as_json import Json, as_json
from acestep_plugins.commands.serve.reference.bodies import body_of
from acestep_plugins.commands.serve.reference.envelope import model_of, why_not_done
from acestep_plugins.commands.serve.reference.posting import ANY_OBJECT, Body
from acestep_plugins.commands.serve.reference.releasing import released
from acestep_plugins.commands.serve.service import Service
from acestep_plugins.commands.serve.store import DONE, ENDED, QueueFull

_TAG = r"<{0}>(.*?)</{0}>"
_SECTION = re.compile(r"^\s*\[(verse|chorus|bridge|intro|outro|hook|pre-chorus|refrain|inst)", re.I | re.M)
_CONFIG = {"duration": "audio_duration", "format": "audio_format", "bpm": "bpm", "key_scale": "key_scale",
           "time_signature": "time_signature", "vocal_language": "vocal_language"}  # fmt: skip
_TYPES = {"mp3": "mpeg", "wav": "wav", "flac": "flac", "ogg": "ogg", "opus": "ogg"}
_LOOK_S, _HEARTBEAT_S = 0.1, 2.0
_MOST_SOUNDS = 2


def chat_router(service: Service) -> APIRouter:
    """Its one path."""
    router = APIRouter(tags=["chat"])

    @router.post("/v1/chat/completions", openapi_extra=ANY_OBJECT, response_model=None)
    async def completions(request: Request) -> Any:
        """Music for the last message of the user; `stream` answers as it goes."""
        try:
            body = await body_of(request, service)
            asked = await run_in_threadpool(_asked, service, body)
            job = (await run_in_threadpool(released, service, asked))[0]
            if body.get("stream") is True:
                return StreamingResponse(_chunks(service, job), media_type="text/event-stream")
            return _completion(service, await _waited(request, service, job))
        except UserError as e:
            status = 429 if isinstance(e, QueueFull) else 422
            return Json({"error": {"message": str(e), "type": "invalid_request_error"}}, status)

    return router


def _asked(service: Service, body: Body) -> dict[str, Any]:
    """The parameters of a task of the reference."""
    texts, sounds = _last_message(body.get("messages"))
    config = body.get("audio_config") or {}
    if not isinstance(config, Mapping):
        raise UserError("audio_config is no object", 'write {"duration": 30}')
    left = {k: v for k, v in body.items() if k not in ("messages", "audio_config", "stream", "modalities", "model")}
    asked = {"batch_size": 1, **left, **{_CONFIG[n]: v for n, v in config.items() if n in _CONFIG}}
    asked |= {"model": body["model"]} if body.get("model") else {}
    asked |= _words("\n".join(texts).strip(), body)
    if config.get("instrumental") is True:
        asked["lyrics"] = ""
    names = [service.uploads.receive(f"audio.{kind}", io.BytesIO(sound))["name"] for kind, sound in sounds]
    places = ("reference_audio_path",) if body.get("task_type", "text2music") == "text2music" else (
        "src_audio_path", "reference_audio_path")  # fmt: skip
    if len(names) > len(places):
        raise UserError(f"There are {len(names)} sounds in the message", f"send at most {len(places)} for this task")
    return asked | dict(zip(places, names, strict=False))


def _words(text: str, body: Body) -> dict[str, Any]:
    """What a text says: by its tags, as a sentence to make a song of, or as the lyrics that it looks like."""
    tagged = {n: re.search(_TAG.format(n), text, re.S | re.I) for n in ("prompt", "lyrics")}
    if any(tagged.values()):
        found = {n: m[1].strip() for n, m in tagged.items() if m}
    elif body.get("sample_mode") is True:
        found = {"sample_query": text}
    else:
        found = {"lyrics": text} if _SECTION.search(text) else {"prompt": text}
    return found | ({"lyrics": body["lyrics"]} if isinstance(body.get("lyrics"), str) and body["lyrics"] else {})


def _last_message(messages: Any) -> tuple[list[str], list[tuple[str, bytes]]]:
    """(texts, sounds) of what the user said last."""
    messages = messages if isinstance(messages, list) else []
    said = [m for m in messages if isinstance(m, Mapping) and m.get("role") == "user"]
    if not said:
        raise UserError("There is no message of the user", 'send "messages": [{"role": "user", "content": "a waltz"}]')
    content = said[-1].get("content", "")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(p, Mapping) for p in parts):
        raise UserError("The content of the message is neither text nor a list of parts", "send a text")
    texts = [str(p.get("text", "")) for p in parts if p.get("type") == "text"]
    sounds = [_sound(p.get("input_audio")) for p in parts if p.get("type") == "input_audio"]
    if len(sounds) > _MOST_SOUNDS:
        raise UserError(f"There are {len(sounds)} sounds in the message", f"send at most {_MOST_SOUNDS}")
    return texts, sounds


def _sound(about: Any) -> tuple[str, bytes]:
    if not isinstance(about, Mapping) or not isinstance(about.get("data"), str):
        raise UserError("input_audio has no data", 'send {"data": "...base64...", "format": "mp3"}')
    try:
        sound = base64.b64decode(about["data"].rpartition(",")[2], validate=True)
        return str(about.get("format") or "mp3").lower(), sound
    except (binascii.Error, ValueError):
        raise UserError("The data of input_audio is no base64", "encode the file as it is") from None


async def _waited(request: Request, service: Service, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it has ended; one that nobody waits for any more is cancelled."""
    while (job := await run_in_threadpool(service.store.job, job["id"]))["state"] not in ENDED:
        if await request.is_disconnected():
            await run_in_threadpool(service.cancel, job["id"])
        await asyncio.sleep(_LOOK_S)
    if job["state"] != DONE:
        raise why_not_done(job)
    return job


def _completion(service: Service, job: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": _told(job), "audio": _audio(service, job)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_head(job, "chat.completion"), "choices": [choice]}


async def _chunks(service: Service, job: dict[str, Any]) -> AsyncIterator[str]:
    """A role, a dot now and then, what was made, its sound, and the end. Who goes away has the job cancelled."""
    yield _chunk(job, {"role": "assistant", "content": ""})
    quiet, ended = 0.0, False
    try:
        while (job := await run_in_threadpool(service.store.job, job["id"]))["state"] not in ENDED:
            await asyncio.sleep(_LOOK_S)
            quiet += _LOOK_S
            if quiet >= _HEARTBEAT_S:
                quiet = 0.0
                yield _chunk(job, {"content": "."})
        ended = True
    finally:
        if not ended:
            service.cancel(job["id"])
    if job["state"] == DONE:
        yield _chunk(job, {"content": _told(job)})
        yield _chunk(job, {"audio": await run_in_threadpool(_audio, service, job)})
        yield _chunk(job, {}, "stop")
    else:
        error = why_not_done(job)
        yield _chunk(job, {"content": f"{error.problem} {error.hint}".strip()}, "error")
    yield "data: [DONE]\n\n"


def _chunk(job: dict[str, Any], delta: dict[str, Any], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {as_json({**_head(job, 'chat.completion.chunk'), 'choices': [choice]})}\n\n"


def _head(job: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{job['id']}", "object": kind, "created": int(time.time()),
            "model": f"acestep/{model_of(job)}"}  # fmt: skip


def _told(job: dict[str, Any]) -> str:
    made = job["result"]["clips"][0]["request"]
    facts = {"Caption": made["caption"], "BPM": made.get("bpm"), "Key": made.get("keyscale"),
             "Duration": made.get("duration_s")}  # fmt: skip
    lines = [f"**{name}:** {value}" for name, value in facts.items() if value]
    return "\n".join([*lines, *(["", made["lyrics"]] if made["lyrics"] else [])])


def _audio(service: Service, job: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for clip in job["result"]["clips"]:
        path = service.store.file(job["id"], clip["file"])
        data = base64.b64encode(path.read_bytes()).decode()
        url = f"data:audio/{_TYPES[path.suffix[1:]]};base64,{data}"
        found.append({"type": "audio_url", "audio_url": {"url": url}})
    return found
