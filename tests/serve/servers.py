"""Servers that run in a thread of this process; their workers are processes as always."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from acestep_core.client import Client
from acestep_plugins.commands.serve.app import make_app
from acestep_plugins.commands.serve.service import BUNDLED
from acestep_plugins.commands.serve.settings import ServeSettings

sys.path.insert(0, str(Path(__file__).parent))  # workers find fake_kinds by the path of this process
FAKE = "fake_kinds:KINDS"
http = httpx.Client(timeout=120, trust_env=False)  # of clients of all kinds, on a busy machine too


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def serving(settings: ServeSettings, kinds: str = BUNDLED, config: dict[str, Any] | None = None) -> Iterator[Client]:
    """A client of a server that runs as long as the block."""
    settings = replace(settings, port=free_port())
    app = make_app(settings, config or {}, kinds)
    server = uvicorn.Server(uvicorn.Config(app, port=settings.port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        client = Client(f"http://127.0.0.1:{settings.port}", settings.key)
        client.service = app.state.service
        yield client
    finally:
        server.should_exit = True
        thread.join()
