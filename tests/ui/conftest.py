"""The page as somebody has it who says `acestep-core ui` in a folder of songs, and a browser to open it in."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from browsing import Page
from patient import PLUGINS, write_long_songs, write_takes
from third_party import write_wheel

TREE = Path(__file__).parents[2]
CHROMIUM = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)
SCREENSHOTS = "ACESTEP_SCREENSHOTS"
READY_S, END_S = 300.0, 20.0


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One for all tests, since it takes seconds to start. There is no folder of models: nano makes the music."""
    pytest.importorskip("gradio", reason="the extra 'ui' is not installed")
    from acestep_plugins.commands.serve.store import Store

    folder, state, other = (tmp_path_factory.mktemp(name) for name in ("page", "state", "packages"))
    shutil.copytree(TREE / "examples" / "songs", folder / "songs")
    write_long_songs(folder / "long")
    write_takes(folder / "takes")
    command = [sys.executable, "-m", "acestep_core", "ui", "--port", "0", "--state", str(state)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(str(write_wheel(p, other)) for p in PLUGINS)}
    with (state / "log.txt").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield Page(_address(process, state / "log.txt"), folder, Store(state))
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """What the command says, once the page answers there."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"The page is at (\S+)", log.read_text())
        try:
            if found and urlopen(f"{found[1]}/icon.svg", timeout=READY_S).status == 200:
                return found[1]
        except URLError:
            pass  # said, but not yet there
        time.sleep(0.1)
    pytest.fail(f"acestep-core ui did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with sync_api.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a page on which a test fails there is a picture too, and what it is told of work."""
    report = yield
    seen, folder = getattr(item, "funcargs", {}), os.environ.get(SCREENSHOTS)
    if report.failed and folder and {"visit", "page"} <= set(seen):
        keep_picture(seen["visit"].tab, folder, f"failed-{item.name}")
        jobs = [f"{j['kind']} {j['state']} {j['request']} {j['error']}" for j in seen["page"].store.jobs(limit=5)]
        report.sections.append(("newest jobs", "\n".join(jobs)))
    return report


@pytest.fixture
def screenshot() -> Callable[[Any, str], None]:
    """screenshot(tab, name) keeps a picture where ACESTEP_SCREENSHOTS says, and does nothing unless it is set."""
    folder = os.environ.get(SCREENSHOTS)

    def keep(tab: Any, name: str) -> None:
        if folder:
            keep_picture(tab, folder, name)

    return keep


def keep_picture(tab: Any, folder: str, name: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
