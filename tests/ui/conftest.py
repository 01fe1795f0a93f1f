"""A page with a server of its own on a tiny model and the example songs, and a browser to open it in."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Page

TREE = Path(__file__).parents[2]
CHROMIUM = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)
SCREENSHOTS = "ACESTEP_SCREENSHOTS"
READY_S = 60.0


@pytest.fixture(scope="session")
def page(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One for all tests, since it takes seconds to start."""
    pytest.importorskip("gradio", reason="the extra 'ui' is not installed")
    import uvicorn

    from acestep_plugins.commands.serve.settings import ServeSettings
    from acestep_plugins.commands.ui.serving import make_page
    from acestep_plugins.commands.ui.starting import own_server
    from acestep_plugins.commands.ui.work import Work

    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(TREE / "examples" / "songs", folder / "songs")
    settings = ServeSettings(models=tiny, state=folder / "state", roots=(folder,))
    with own_server(settings, {}) as client:
        server = uvicorn.Server(uvicorn.Config(make_page(Work(client)), port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        until = time.monotonic() + READY_S
        while not server.started:
            assert time.monotonic() < until and thread.is_alive()
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Page(f"http://127.0.0.1:{port}", folder, client)
        server.should_exit = True
        thread.join(READY_S)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with sync_api.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def screenshot() -> Callable[[Any, str], None]:
    """screenshot(tab, name) keeps a picture where ACESTEP_SCREENSHOTS says, and does nothing unless it is set."""
    folder = os.environ.get(SCREENSHOTS)

    def keep(tab: Any, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            tab.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    return keep
