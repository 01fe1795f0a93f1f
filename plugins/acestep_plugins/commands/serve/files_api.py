"""Files over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import FileResponse

from acestep_plugins.commands.serve.jobs_api import send
from acestep_plugins.commands.serve.service import Service


def files_router(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/files", tags=["files"])

    @router.post("", status_code=201)
    def upload(file: Annotated[UploadFile, File(description="Audio")]) -> dict[str, Any]:
        """Send audio. Requests name it by the `name` that is answered, file:ID."""
        return service.uploads.receive(file.filename or "", file.file)

    @router.get("")
    def files() -> dict[str, Any]:
        """What was sent and is kept."""
        return {"files": service.uploads.all()}

    @router.get("/{id}", response_class=FileResponse)
    def file(id: str) -> FileResponse:
        path = service.uploads.path(id)
        return send(path, path.name)

    @router.delete("/{id}")
    def delete(id: str) -> dict[str, Any]:
        service.uploads.delete(id)
        return {"deleted": id}

    return router
