"""Adapters by the names of the reference."""

from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.reference.envelope import answer
from acestep_plugins.commands.serve.reference.names import Given
from acestep_plugins.commands.serve.reference.posting import Body, Posted
from acestep_plugins.commands.serve.service import Service


def add_lora(posted: Posted, router: APIRouter, service: Service) -> None:
    """Its paths."""
    models = service.models

    def told() -> dict[str, Any]:
        adapters = models.adapters()
        return answer({"lora_loaded": bool(adapters), "use_lora": any(a["on"] for a in adapters),
                       "lora_scale": adapters[0]["scale"] if adapters else 1.0,
                       "adapter_type": adapters[0]["kind"] if adapters else None,
                       "active_adapter": adapters[0]["path"] if adapters else None,
                       "scales": {a["path"]: a["scale"] for a in adapters},
                       "adapters": [a["path"] for a in adapters]})  # fmt: skip

    def path_of(body: Body) -> list[str]:
        named = body.get("adapter_name") or body.get("lora_path")
        return [str(named)] if named else [a["path"] for a in models.adapters()]

    @posted("/v1/lora/load")
    async def load(body: Body) -> Any:
        """Put an adapter on."""
        if not body.get("lora_path"):
            raise UserError("There is no lora_path", "give the adapter's folder or file")
        await run_in_threadpool(models.add, str(body["lora_path"]), 1.0, True)
        return told()

    @posted("/v1/lora/unload")
    async def unload(body: Body) -> Any:
        """Take adapters off."""
        for path in path_of(body):
            models.remove(path)
        return told()

    @posted("/v1/lora/toggle")
    async def toggle(body: Body) -> Any:
        """Switch adapters on or off."""
        for path in path_of(body):
            models.change(path, None, Given(body).flag("use_lora", True))
        return told()

    @posted("/v1/lora/scale")
    async def scale(body: Body) -> Any:
        """Another strength."""
        wanted = Given(body).number("scale")
        if wanted is None or not -100 <= wanted <= 100:
            raise UserError("There is no scale", "give a number, such as 0.8")
        for path in path_of(body):
            models.change(path, wanted, None)
        return told()

    @router.get("/v1/lora/status")
    def status() -> dict[str, Any]:
        """Which adapters are on."""
        return told()
