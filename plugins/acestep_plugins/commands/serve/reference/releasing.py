"""Submits what a client of the reference asks for."""

from typing import Any

from acestep_core.checkpoint import open_checkpoint
from acestep_plugins.commands.serve.models import folder_of
from acestep_plugins.commands.serve.reference.names import Given
from acestep_plugins.commands.serve.reference.posting import Body
from acestep_plugins.commands.serve.reference.translating import translated
from acestep_plugins.commands.serve.service import Service


def released(service: Service, body: Body) -> tuple[dict[str, Any], list[str]]:
    """(the job, parameters that were left out). Raises `UserError` for what makes no sense."""
    choice = service.models.choice()
    names = [p["name"] for p in service.models.parts() if p["kind"] == "model"]
    wanted = str(Given(body).get("model") or "").rpartition("/")[2]
    variant = wanted if wanted in names else choice["variant"]
    info = open_checkpoint(folder_of(choice["model"]), variant).dit
    request, left = translated(body, info, names)
    return service.submit("generate", request), left
