"""Servers for tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from servers import FAKE, serving

from acestep_core.client import Client
from acestep_plugins.commands.serve.settings import ServeSettings


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """started(queue=3) is a client of a new server with fake kinds."""
    with ExitStack() as stack:

        def start(kinds: str = FAKE, config: dict[str, Any] | None = None, **settings: Any) -> Client:
            settings = {"state": tmp_path / "state", "roots": (tmp_path,), "models": tmp_path, **settings}
            return stack.enter_context(serving(ServeSettings(**settings), kinds, config))

        yield start


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with fake kinds that tests share."""
    folder = tmp_path_factory.mktemp("fake")
    with serving(ServeSettings(state=folder / "state", roots=(folder,), models=folder), FAKE) as client:
        yield client


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with all kinds of jobs and no model."""
    folder = tmp_path_factory.mktemp("bare")
    settings = ServeSettings(state=folder / "state", roots=(folder,), models=folder, max_upload_mb=5, max_upload_s=60)
    with serving(settings) as client:
        client.folder = folder
        yield client


@pytest.fixture(scope="session")
def served(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with the tiny model."""
    folder = tmp_path_factory.mktemp("served")
    settings = ServeSettings(state=folder / "state", roots=(folder,), models=tiny, max_upload_mb=5, max_upload_s=60)
    with serving(settings) as client:
        client.folder = folder
        yield client
