"""Models, adapters, plugins and the machine over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from acestep_core.api import KINDS
from acestep_core.errors import PluginError, UserError
from acestep_core.options import nearest, schema_of
from acestep_core.registry import registry
from acestep_plugins.commands.serve.asking_cli import ask_program
from acestep_plugins.commands.serve.kinds.field_names import error_for_requests, flag
from acestep_plugins.commands.serve.reference.envelope import answer
from acestep_plugins.commands.serve.service import Service

Text = Annotated[str, Field(max_length=4096)]
Scale = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Choice(_Strict):
    """A model, and what runs it."""

    model: Text | None = Field(None, description="Folder with the checkpoints; the server's unless given")
    variant: Text | None = None
    backend: Text | None = None
    lm: Text | None = None
    lm_backend: Text | None = None
    options: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Of 'backend' and 'lm_backend'")


class Planned(_Strict):
    """What is to be planned for."""

    model: Text | None = None
    variant: Text | None = None
    backend: Text | None = None
    lm: Text | None = None
    lm_backend: Text | None = None
    options: dict[str, str | bool | int | float] = Field(default_factory=dict, description="Of the backend")
    vram: float | None = Field(None, gt=0, le=100_000, description="10^9 bytes; what is free here unless given")
    seconds: float | None = Field(None, ge=1, le=600)
    batch: int | None = Field(None, ge=1, le=64)
    think: bool = False


class Adapter(_Strict):
    path: Text
    scale: Scale = 1.0
    on: bool = True


class Change(_Strict):
    path: Text
    scale: Scale | None = None
    on: bool | None = None


class Named(_Strict):
    path: Text


def models_router(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["models"])
    models = service.models

    @router.get("/models")
    def all_models() -> dict[str, Any]:
        """What there is, what is chosen and what is loaded. Clients of OpenAI and of the reference can read it too."""
        parts = models.parts()
        own = {"object": "list", "parts": parts, "chosen": models.choice(), "loaded": models.loaded()}
        return own | answer([p for p in parts if p["kind"] == "model"])

    @router.post("/models/load", status_code=202)
    def load(choice: Choice) -> dict[str, Any]:
        """Load a model, which requests then mean that name none. What is left out is as the server was started."""
        return service.submit("load", choice.model_dump(exclude_none=True))

    @router.post("/models/unload", status_code=202)
    def unload() -> dict[str, Any]:
        """Let go of the model; the next job that needs it loads it again."""
        return service.submit("unload", {})

    @router.post("/plan")
    def plan(asked: Planned) -> Any:
        """How to run a model in the memory there is, how long clips may be and how many at once; loads no weights."""
        try:
            return models.plan(asked.model_dump(exclude_none=True))
        except UserError as e:
            raise error_for_requests(e, {flag(n): n for n in Planned.model_fields}) from e

    @router.get("/adapters")
    def adapters() -> dict[str, Any]:
        """What every clip hears, unless its request says own_adapters."""
        return {"adapters": models.adapters()}

    @router.post("/adapters")
    def add(adapter: Adapter) -> dict[str, Any]:
        return {"adapters": models.add(adapter.path, adapter.scale, adapter.on)}

    @router.post("/adapters/change")
    def change(change: Change) -> dict[str, Any]:
        """Another strength, or on or off."""
        return {"adapters": models.change(change.path, change.scale, change.on)}

    @router.post("/adapters/remove")
    def remove(adapter: Named) -> dict[str, Any]:
        return {"adapters": models.remove(adapter.path)}

    return router


def facts_router() -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["facts"])

    @router.get("/plugins")
    def plugins(kind: str | None = None) -> dict[str, Any]:
        """Every plugin with JSON Schema of its options; `problem` says why one cannot be used."""
        if kind is not None and kind not in KINDS:
            raise UserError(f"There is no kind of plugin '{kind}'", nearest(kind, KINDS))
        known = [k for each in ([kind] if kind else KINDS) for k in registry().known(each)]
        return {"plugins": [described(k) for k in known], "notes": registry().notes()}

    @router.get("/plugins/doctor")
    def plugins_doctor() -> Any:
        """Each plugin imported in a process of its own, and what is wrong with it."""
        return ask_program("plugins", "doctor")

    @router.get("/doctor")
    def doctor() -> Any:
        """What is wrong with the machine, and what it is good for."""
        return ask_program("doctor")

    return router


def described(known: Any) -> dict[str, Any]:
    """What the server tells of an installed plugin: its options as JSON Schema, or why it cannot be loaded."""
    facts = {"kind": known.kind, "name": known.name, "qualified": known.qualified, "distribution": known.dist,
             "version": known.version}  # fmt: skip
    try:
        cls = registry().load(known.kind, known.qualified)
    except PluginError as e:
        return facts | {"about": "", "options": {}, "problem": str(e)}
    text = cls.__doc__ if KINDS[known.kind] else cls.help
    options = schema_of(cls) if KINDS[known.kind] else {}
    return facts | {"about": " ".join((text or "").split()), "options": options, "problem": ""}
