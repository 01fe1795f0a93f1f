"""Starts the page, and a server for it where none is named."""

import os
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from acestep_core.client import Client
from acestep_core.errors import UserError
from acestep_plugins.commands.serve.running import alone_in
from acestep_plugins.commands.serve.settings import ServeSettings

HOST = "127.0.0.1"
_READY_S = 60.0
_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False"}  # read when gradio is imported


def run(
    *, port: int, server: str | None, key: str | None, settings: ServeSettings, config: Mapping[str, Any], opens: bool
) -> None:
    """Serve the page until it is stopped. Raises `UserError` where a package is missing or the port is taken."""
    os.environ.update(_QUIET)
    try:
        import gradio  # noqa: F401
        import uvicorn

        from acestep_plugins.commands.ui.serving import make_page
        from acestep_plugins.commands.ui.work import Work
    except ModuleNotFoundError as e:
        raise UserError(f"The page needs the package '{e.name}'", "pip install 'acestep-core[ui]'") from None
    with _listening(port) as taken, _client(server, key, settings, config) as client:
        page = make_page(Work(client))
        address = f"http://{HOST}:{taken.getsockname()[1]}"
        click.echo(f"The page is at {address}", err=True)
        if opens:
            threading.Timer(1.0, webbrowser.open, (address,)).start()
        uvicorn.Server(uvicorn.Config(page, log_level="warning", server_header=False)).run(sockets=[taken])


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((HOST, port))
        except OSError as e:
            raise UserError(f"Port {port} cannot be had ({e.strerror})", "give another --port, or --port 0") from None
        yield taken


@contextmanager
def _client(
    server: str | None, key: str | None, settings: ServeSettings, config: Mapping[str, Any]
) -> Iterator[Client]:
    """Of the server that is named, or of one that lives as long as the page."""
    if server is not None:
        client = Client(server, key)
        client.kinds()  # says so if it does not answer, or the key is wrong
        yield client
        return
    with own_server(settings, config) as client:
        yield client


@contextmanager
def own_server(settings: ServeSettings, config: Mapping[str, Any]) -> Iterator[Client]:
    """A server in this process, with a key that nobody else has."""
    import uvicorn

    from acestep_plugins.commands.serve.app import make_app

    key, hint = secrets.token_urlsafe(), "give its address with --server, or another --state"
    with alone_in(settings.folder, hint), _listening(0) as taken:
        app = make_app(replace(settings, host=HOST, key=key), config)
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        try:
            yield _answering(Client(f"http://{HOST}:{taken.getsockname()[1]}", key), thread)
        finally:
            running.should_exit = True
            thread.join(_READY_S)


def _answering(client: Client, thread: threading.Thread) -> Client:
    until = time.monotonic() + _READY_S
    while True:
        try:
            client.kinds()
            return client
        except UserError:
            if time.monotonic() > until or not thread.is_alive():
                raise
            time.sleep(0.05)
