"""The page as an application: a page for each language, the browser's own first, for this machine alone."""

from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse

from acestep_plugins.commands.serve.guard import Guard
from acestep_plugins.commands.serve.settings import ServeSettings
from acestep_plugins.commands.ui.look import CSS, head, theme
from acestep_plugins.commands.ui.page import build
from acestep_plugins.commands.ui.words import LANGUAGES, preferred, words
from acestep_plugins.commands.ui.work import Work

_COOKIE = "acestep-language"
_ICON = Path(__file__).with_name("icon.svg")
_YEAR_S = 365 * 24 * 3600


def make_page(work: Work) -> FastAPI:
    """The application; `work` is what all its pages work with."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    def first(request: Request) -> RedirectResponse:
        chosen = request.cookies.get(_COOKIE)
        code = chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language"))
        return RedirectResponse(f"/{code}/")

    @app.get("/language/{code}")
    def choose(code: str) -> RedirectResponse:
        answer = RedirectResponse(f"/{code if code in LANGUAGES else LANGUAGES[0]}/")
        if code in LANGUAGES:
            answer.set_cookie(_COOKIE, code, max_age=_YEAR_S, samesite="strict", httponly=True)
        return answer

    @app.get("/favicon.ico")
    @app.get("/icon.svg")
    def icon() -> FileResponse:
        return FileResponse(_ICON, media_type="image/svg+xml")

    for code in LANGUAGES:
        app = _with_page(app, work, code)
    app.add_middleware(Guard, settings=ServeSettings())
    return app


def _with_page(app: FastAPI, work: Work, code: str) -> Any:
    page, path = build(work, words(code)), f"/{code}"  # as root_path too: answers name files below it
    return gr.mount_gradio_app(
        app, page, path=path, root_path=path, theme=theme(), css=CSS, head=head(code), ssr_mode=False, footer_links=[],
        allowed_paths=[str(work.folder)], show_error=True, enable_monitoring=False, pwa=False, mcp_server=False,
        run_history=False,
    )  # fmt: skip
