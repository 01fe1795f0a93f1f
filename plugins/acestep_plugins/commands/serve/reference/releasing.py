"""Submits what a client of the reference asks for."""

from typing import Any

from acestep_core.checkpoint import open_checkpoint
from acestep_plugins.commands.serve.reference.posting import Body
from acestep_plugins.commands.serve.reference.translating import translated
from acestep_plugins.commands.serve.service import Service


def released(service: Service, body: Body) -> tuple[dict[str, Any], list[str]]:
    """(the job, parameters that were left out). Raises `UserError` for what makes no sense."""
    choice = service.models.choice()
    info = open_checkpoint(service.places.model(choice["model"]), choice["variant"]).dit
    names = [p["name"] for p in service.models.parts() if p["kind"] == "model"]
    request, left = translated(body, info, names)
    return service.submit("generate", request), left
