"""Files over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import FileResponse

from acestep_plugins.commands.serve.jobs_api import send
from acestep_plugins.commands.serve.service import Service


def files_router(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/files", tags=["files"])

    @router.post("", status_code=201)
    def upload(
        file: Annotated[
            UploadFile, File(description="Audio, a table as .csv, text as .txt, .lrc, .srt or .vtt, labels as .json")
        ],
    ) -> dict[str, Any]:
        """Send audio, or text: a table, prompts, lyrics, a caption. Requests name it as is answered, file:ID."""
        return service.uploads.receive(file.filename or "", file.file, texts=True)

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
