"""Serves until it is stopped. One server to a state folder."""

from collections.abc import Mapping
from typing import Any

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.service import BUNDLED
from acestep_plugins.commands.serve.settings import ServeSettings

_GRACE_S = 3  # for answers under way; streams of events go on for as long as their jobs


def serve(settings: ServeSettings, config: Mapping[str, Any], kinds: str = BUNDLED) -> None:
    """Raises `UserError` where another server has the state folder already."""
    import uvicorn
    from filelock import FileLock, Timeout

    from acestep_plugins.commands.serve.app import make_app

    settings.checked()
    settings.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.folder / "server.lock", timeout=0):
            app = make_app(settings, config, kinds)
            uvicorn.run(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
    except Timeout:
        hint = "stop it, or give another --state"
        raise UserError(f"Another server works in {settings.folder}", hint) from None
