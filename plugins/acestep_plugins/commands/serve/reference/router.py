"""The paths of the reference's server."""

import asyncio
import json
import time
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.jobs_api import send
from acestep_plugins.commands.serve.reference.envelope import answer, model_of, why_not_done
from acestep_plugins.commands.serve.reference.lora import add_lora
from acestep_plugins.commands.serve.reference.names import Given
from acestep_plugins.commands.serve.reference.posting import Body, Posted, posting
from acestep_plugins.commands.serve.reference.releasing import released
from acestep_plugins.commands.serve.service import Service
from acestep_plugins.commands.serve.store import DONE, ENDED, QUEUED, RUNNING

_STATUS = {QUEUED: 0, RUNNING: 0, DONE: 1}
_LOOK_S, _PATIENCE_S = 0.1, 300.0
_KNOWN = ("bpm", "keyscale", "timesignature")
_MOST_IDS = 500


def reference_router(service: Service) -> APIRouter:
    """All of them."""
    router = APIRouter(tags=["reference"])
    posted = posting(router, service)
    _add_tasks(posted, router, service)
    _add_words(posted, service)
    add_lora(posted, router, service)
    return router


def _add_tasks(posted: Posted, router: APIRouter, service: Service) -> None:
    @posted("/release_task")
    async def release_task(body: Body) -> Any:
        """Submit a generation, with the parameters of the reference; `extra` tells what was left out."""
        job, left = await run_in_threadpool(released, service, body)
        told = {"task_id": job["id"], "status": "queued", "queue_position": job["ahead"] + 1}
        return answer(told, {"ignored": left} if left else None)

    @posted("/query_result")
    async def query_result(body: Body) -> Any:
        """What became of tasks: status 0 while they are worked on, 1 done, 2 failed."""
        ids = body.get("task_id_list", [])
        try:
            ids = json.loads(ids) if isinstance(ids, str) else ids
        except ValueError:
            raise UserError("task_id_list is no JSON", 'write ["id"]') from None
        if not isinstance(ids, list) or len(ids) > _MOST_IDS or not all(isinstance(i, str) for i in ids):
            raise UserError("task_id_list is no list of ids", 'write ["id"]')
        return answer([await run_in_threadpool(_result, service, i) for i in ids])

    @router.get("/v1/audio", response_class=FileResponse)
    def audio(path: str = Query(max_length=1000)) -> FileResponse:
        """A result, by the path that query_result gives."""
        job, _, name = path.removeprefix("job:").partition("/")
        return send(service.store.file(job, name), name)

    @router.get("/v1/stats")
    def stats() -> dict[str, Any]:
        """How many jobs there are."""
        return answer(service.store.counts() | {"queue_maxsize": service.settings.queue})


def _add_words(posted: Posted, service: Service) -> None:
    @posted("/v1/create_sample")
    @posted("/create_random_sample")
    async def create_random_sample(body: Body) -> Any:
        """A whole song of a sentence, or of nothing."""
        return await _sample(service, "create", {"query": str(Given(body).get("sample_query", "")), **_seed(body)})

    @posted("/format_input")
    async def format_input(body: Body) -> Any:
        """Caption and lyrics as the model knows them best."""
        given = Given(body)
        request = {"caption": str(given.get("prompt", "")), "lyrics": str(given.get("lyrics", "")), **_seed(body)}
        return await _sample(service, "format", request | _known(given))

    @posted("/v1/init")
    async def init(body: Body) -> Any:
        """Load a model."""
        named = {"variant": Given(body).get("model"), "lm": Given(body).get("lm_model_path")}
        request = {n: str(v).rpartition("/")[2] for n, v in named.items() if v}
        job = await _ended(service, service.submit("load", request)["id"])
        return answer(job["result"])


def _result(service: Service, id: str) -> dict[str, Any]:
    try:
        job = service.store.job(id)
    except LookupError:
        return {"task_id": id, "result": "[]", "status": 0, "progress_text": "there is no such task"}
    status = _STATUS.get(job["state"], 2)
    clips = (job["result"] or {}).get("clips", []) if status == 1 else []
    told = [_clip(job, clip) for clip in clips]
    if status == 2:
        error = why_not_done(job)
        told = [{"file": "", "status": 2, "error": f"{error.problem} {error.hint}".strip()}]
    progress = job["progress"] or {}
    return {"task_id": id, "result": json.dumps(told, ensure_ascii=False), "status": status,
            "progress_text": f"{progress.get('stage', '')} {progress.get('done', '')}".strip()}  # fmt: skip


def _clip(job: dict[str, Any], clip: dict[str, Any]) -> dict[str, Any]:
    asked = clip["request"]
    metas = {n: asked.get(n) for n in _KNOWN} | {"duration": clip["duration_s"], "genres": ""}
    return {"file": f"/v1/audio?path={quote('job:' + job['id'] + '/' + clip['file'], safe='')}", "wave": "",
            "status": 1, "create_time": int(job["created_at"]), "env": "production", "prompt": asked["caption"],
            "lyrics": asked["lyrics"], "metas": metas, "generation_info": "; ".join(clip["notes"]),
            "seed_value": str(clip["seed"]), "dit_model": model_of(job),
            "lm_model": job["request"].get("lm") or ""}  # fmt: skip


async def _sample(service: Service, kind: str, request: dict[str, Any]) -> Any:
    job = await _ended(service, service.submit(kind, request)["id"])
    song = job["result"]["songs"][0]
    return answer({"caption": song.get("caption", ""), "prompt": song.get("caption", ""),
                   "lyrics": song.get("lyrics", ""), "bpm": song.get("bpm"), "key_scale": song.get("keyscale", ""),
                   "time_signature": song.get("timesignature", ""), "duration": song.get("duration_s"),
                   "vocal_language": song.get("language", "unknown")})  # fmt: skip


async def _ended(service: Service, id: str) -> dict[str, Any]:
    """The job when it is done. Raises `UserError` for what went wrong; what takes too long is cancelled."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        job = await run_in_threadpool(service.store.job, id)
        if job["state"] == DONE:
            return job
        if job["state"] in ENDED:
            raise why_not_done(job)
        await asyncio.sleep(_LOOK_S)
    await run_in_threadpool(service.cancel, id)
    raise UserError(f"It took longer than {_PATIENCE_S:g} s", "submit it as a job: POST /v1/jobs")


def _seed(body: Body) -> dict[str, Any]:
    seed = Given(body).number("seed")
    return {"seed": int(seed) if seed is not None and seed >= 0 else time.time_ns() % 2**32}


def _known(given: Given) -> dict[str, Any]:
    length, bpm = given.number("audio_duration"), given.number("bpm")
    named = {"keyscale": given.get("key_scale"), "timesignature": given.get("time_signature"),
             "language": given.get("vocal_language")}  # fmt: skip
    found = {n: str(v) for n, v in named.items() if v is not None}
    found |= {"bpm": int(bpm)} if bpm else {}
    found |= {"duration_s": round(length)} if length and length > 0 else {}
    temperature = given.number("temperature")
    return found | ({} if temperature is None else {"temperature": temperature})
