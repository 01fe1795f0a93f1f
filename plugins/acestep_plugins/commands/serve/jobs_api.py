"""Jobs over HTTP: submit, list, watch, cancel and fetch."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from acestep_core.errors import UserError
from acestep_core.options import nearest
from acestep_plugins.commands.serve.as_json import as_json
from acestep_plugins.commands.serve.service import Service
from acestep_plugins.commands.serve.store import ENDED, STATES

_LOOK_S, _ALIVE_S = 0.1, 15.0
_LARGEST = 2**31


class Submission(BaseModel):
    """A job that is asked for."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(description="What kind of job; see /v1/kinds", max_length=100)
    request: dict[str, Any] = Field(default_factory=dict, description="As the schema of the kind says")
    limit_s: float | None = Field(None, gt=0, le=10_000_000, description="Seconds after which it is stopped")


def jobs_router(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["jobs"])

    @router.get("/kinds")
    def kinds() -> dict[str, Any]:
        """JSON Schema of the request of each kind of job."""
        return service.schemas()

    @router.post("/jobs", status_code=202)
    def submit(
        job: Submission, idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None
    ) -> dict[str, Any]:
        """Accept a job. With the same Idempotency-Key the same job is answered, not a second one made."""
        return service.submit(job.kind, job.request, limit_s=job.limit_s, token=idempotency_key)

    @router.get("/jobs")
    def jobs(
        kind: str | None = None, state: str | None = None, search: Annotated[str | None, Query(max_length=500)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50, before: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The newest first; `before` goes on behind a job, `search` looks into requests."""
        if state is not None and state not in STATES:
            raise UserError(f"There is no state '{state}'", nearest(state, STATES))
        return {"jobs": service.store.jobs(kind=kind, state=state, search=search, limit=limit, before=before)}

    @router.get("/jobs/{job}")
    def job(job: str) -> dict[str, Any]:
        return service.store.job(job)

    @router.post("/jobs/{job}/cancel")
    def cancel(job: str) -> dict[str, Any]:
        """End a job that waits; have one that runs stop; leave one that has ended as it is."""
        return service.cancel(job)

    @router.get("/jobs/{job}/events", response_class=StreamingResponse,
                responses={200: {"content": {"text/event-stream": {}}}})  # fmt: skip
    async def events(
        request: Request, job: str, after: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
        last_event_id: Annotated[str | None, Header(max_length=20)] = None,
    ) -> StreamingResponse:  # fmt: skip
        """Server-sent events from the first, or behind Last-Event-ID; the stream ends with the job."""
        await asyncio.to_thread(service.store.job, job)
        if last_event_id is not None and last_event_id.isascii() and last_event_id.isdecimal():
            after = min(int(last_event_id), _LARGEST)
        return StreamingResponse(_stream(service, job, after), media_type="text/event-stream",
                                 headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})  # fmt: skip

    @router.get("/jobs/{job}/files/{name:path}", response_class=FileResponse)
    def file(job: str, name: str) -> FileResponse:
        """A result of a job, named as in its `files`."""
        return send(service.store.file(job, name), name)

    return router


def send(path: Path, name: str) -> FileResponse:
    """A file that a browser saves, and does not run."""
    if not path.is_file():
        raise LookupError(name)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
    return FileResponse(path, filename=name.rpartition("/")[2], headers=headers)


async def _stream(service: Service, job: str, after: int) -> AsyncIterator[str]:
    quiet = 0.0
    while True:
        found = await asyncio.to_thread(service.store.events, job, after)
        for event in found:
            after = event["number"]
            yield f"id: {after}\nevent: {event['type']}\ndata: {as_json(event)}\n\n"
        if any(e["type"] == "state" and e["state"] in ENDED for e in found):
            return
        if not found and await asyncio.to_thread(_over, service, job):
            return
        quiet = 0.0 if found else quiet + _LOOK_S
        if quiet > _ALIVE_S:
            quiet = 0.0
            yield ": still there\n\n"
        await asyncio.sleep(_LOOK_S)


def _over(service: Service, job: str) -> bool:
    """Whether nothing more can come, the end having been told before."""
    try:
        return service.store.job(job)["state"] in ENDED
    except LookupError:
        return True
