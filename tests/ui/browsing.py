"""How a person goes about the page."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABS = ("models", "music", "results", "dataset", "train", "plugins")
WAIT_MS = 150_000  # machines that do much else at once are slow
DESK = {"width": 1280, "height": 900}
_LOOK_MS = 50
_TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
_NEVER_ENDS = "/heartbeat/"


@dataclass(frozen=True)
class Page:
    """A page that runs, the folder it works in, and what its server keeps."""

    url: str
    folder: Path
    store: Any

    def state(self, kind: str) -> str:
        """How the newest job of a kind stands."""
        return str(self.store.jobs(kind=kind, limit=1)[0]["state"])


class Visit:
    """One browser window on the page; what it asks of whom, and errors that it meets, are kept."""

    def __init__(self, browser: Any, url: str, locale: str = "en-US", **how: Any):
        self.context = browser.new_context(**{"locale": locale, "viewport": DESK, **how})
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(WAIT_MS)
        self.asked: list[str] = []
        self.errors: list[str] = []
        self._unanswered: set[Any] = set()
        self.tab.on("request", self._asks)
        for answered in ("requestfinished", "requestfailed"):
            self.tab.on(answered, lambda r: self._unanswered.discard(r))
        self.tab.on("pageerror", lambda e: self.errors.append(str(e)))
        self.tab.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.url = url
        self.open()

    def open(self) -> None:
        """The page, anew.

        The one before is left first: a page that finds its connection cut loads itself again, and would do so in the
        middle of this (net::ERR_ABORTED). What it misses then is no error, for it asks all the time while work goes on.
        """
        self.settle()
        met = len(self.errors)
        self.tab.goto("about:blank")
        del self.errors[met:]
        self.tab.goto(self.url, wait_until="commit")
        self.arrive()

    def arrive(self) -> None:
        """Wait until the page is there and has been told everything that it asks for on opening."""
        self.tab.wait_for_selector("#music-generate")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is asked that is not answered."""
        quiet = [0]

        def still() -> bool:
            quiet[0] = 0 if self._unanswered else quiet[0] + 1
            return quiet[0] > 2

        self.until(still, lambda: [r.url for r in self._unanswered])

    def until(self, holds: Callable[[], bool], told: Callable[[], Any] = lambda: "") -> None:
        """Wait until something holds that is seen in no single place; `told` says why it may not."""
        end = time.monotonic() + WAIT_MS / 1000
        while not holds():
            assert time.monotonic() < end, told()
            self.tab.wait_for_timeout(_LOOK_MS)

    def go(self, tab: str, title: str = "") -> None:
        """To a tab; on a narrow screen some are in a menu, where they have their title alone."""
        shown = self.tab.locator(f"button[role=tab][data-tab-id={tab}]").first
        if shown.is_visible() or not title:
            shown.click(force=True)
            return
        self.tab.locator(".overflow-menu > button").first.click()
        self.tab.locator(".overflow-dropdown button").filter(has_text=title).click()

    def fill(self, name: str, text: str) -> None:
        """Type into a text box or a number box, and leave it."""
        field = self._drawn(f"#{name} textarea, #{name} input")
        field.fill(text)
        field.blur()

    def tick(self, name: str, on: bool = True) -> None:
        self._drawn(f"#{name} input[type=checkbox]").set_checked(on)

    def choose(self, name: str, choice: str) -> None:
        """One of several that stand beside each other."""
        self.tab.locator(f"#{name} label").filter(has_text=choice).first.click()

    def pick(self, name: str, choice: str) -> None:
        """Choose in a drop-down."""
        self._drawn(f"#{name} input").click()
        self.tab.get_by_role("option", name=choice, exact=True).first.click()

    def _drawn(self, selector: str) -> Any:
        """A control that has its value already: it is given that in the frame after it is first seen."""
        found = self.tab.locator(selector).first
        found.wait_for()
        self.tab.evaluate(_TWO_FRAMES)
        return found

    def unfold(self, title: str) -> None:
        self.tab.get_by_role("button", name=title, exact=False).first.click()

    def press(self, name: str) -> None:
        self.tab.locator(f"#{name}").click()

    def saved(self, name: str) -> Path:
        """The file that a button saves, under the name that is proposed for it."""
        with self.tab.expect_download() as coming:
            self.press(name)
        found = Path(coming.value.path())
        return found.rename(found.with_name(coming.value.suggested_filename))

    def shows(self, name: str, text: str) -> None:
        """Wait until it does."""
        self.tab.locator(f"#{name}").filter(has_text=text).first.wait_for(timeout=WAIT_MS)

    def text(self, name: str) -> str:
        return str(self.tab.locator(f"#{name}").inner_text())

    def value(self, name: str) -> str:
        return str(self.tab.locator(f"#{name} textarea, #{name} input").first.input_value())

    def close(self) -> None:
        """Without errors on the way."""
        met = list(self.errors)
        self.context.close()
        assert met == []

    def _asks(self, request: Any) -> None:
        self.asked.append(request.url)
        player = request.resource_type == "media" or request.url.startswith("blob:")  # it reads as far as it likes
        if not player and _NEVER_ENDS not in request.url:
            self._unanswered.add(request)
