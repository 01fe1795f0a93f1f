"""The HTTP application of a server."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

import acestep_core
from acestep_plugins.commands.serve.answers import ERRORS, answer_errors
from acestep_plugins.commands.serve.as_json import Json
from acestep_plugins.commands.serve.described import describe
from acestep_plugins.commands.serve.files_api import files_router
from acestep_plugins.commands.serve.guard import Guard
from acestep_plugins.commands.serve.jobs_api import jobs_router
from acestep_plugins.commands.serve.models_api import facts_router, models_router
from acestep_plugins.commands.serve.reference.chat import chat_router
from acestep_plugins.commands.serve.reference.envelope import answer
from acestep_plugins.commands.serve.reference.router import reference_router
from acestep_plugins.commands.serve.service import BUNDLED, Service
from acestep_plugins.commands.serve.settings import ServeSettings


def make_app(settings: ServeSettings, config: Mapping[str, Any] | None = None, kinds: str = BUNDLED) -> FastAPI:
    """The application; its workers live as long as it does. `config` is the content of a settings file."""
    service = Service(settings, config or {}, kinds)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.supervisor.start()
        yield
        service.supervisor.stop()

    # No pages of documentation: theirs would be fetched from elsewhere.
    app = FastAPI(title="acestep-core", version=acestep_core.__version__, lifespan=lifespan, docs_url=None,
                  redoc_url=None, default_response_class=Json)  # fmt: skip
    app.state.service = service
    answer_errors(app)
    for router in (
        jobs_router(service),
        files_router(service),
        models_router(service),
        facts_router(),
        reference_router(service),
        chat_router(service),
    ):
        app.include_router(router, responses=ERRORS)
    describe(app, service)
    app.add_middleware(Guard, settings=settings)

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Whether the server is there; needs no key."""
        about = {"status": "ok", "service": "acestep-core", "version": acestep_core.__version__}
        return about | answer(about)  # of the reference as well

    return app
