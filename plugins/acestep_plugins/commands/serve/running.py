"""Serves until it is stopped. One server to a state folder."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.service import BUNDLED
from acestep_plugins.commands.serve.settings import ServeSettings

_GRACE_S = 3  # for answers under way; streams of events go on for as long as their jobs


def serve(settings: ServeSettings, config: Mapping[str, Any], kinds: str = BUNDLED) -> None:
    """Raises `UserError` where another server has the state folder already."""
    import uvicorn

    from acestep_plugins.commands.serve.app import make_app

    settings.checked()
    with alone_in(settings.folder, "stop it, or give another --state"):
        app = make_app(settings, config, kinds)
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )


@contextmanager
def alone_in(folder: Path, hint: str) -> Iterator[None]:
    """No other server works in a state folder meanwhile. Raises `UserError` where one does."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(folder / "server.lock", timeout=0, thread_local=False).acquire()
    except Timeout:
        raise UserError(f"Another server works in {folder}", hint) from None
    with held:
        yield
