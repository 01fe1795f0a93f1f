"""How a person goes about the page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABS = ("models", "music", "results", "dataset", "train", "plugins")
WAIT_MS = 150_000  # machines that do much else at once are slow
DESK = {"width": 1280, "height": 900}


@dataclass(frozen=True)
class Page:
    """A page that runs, and the folder it works in."""

    url: str
    folder: Path
    client: Any


class Visit:
    """One browser window on the page; what it asks of whom, and errors that it meets, are kept."""

    def __init__(self, browser: Any, url: str, locale: str = "en-US", **how: Any):
        self.context = browser.new_context(**{"locale": locale, "viewport": DESK, **how})
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(WAIT_MS)
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.tab.on("request", lambda r: self.asked.append(r.url))
        self.tab.on("pageerror", lambda e: self.errors.append(str(e)))
        self.tab.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.url = url
        self.open()

    def open(self) -> None:
        self.tab.goto(self.url)
        self.tab.wait_for_selector("#music-generate")

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
        field = self.tab.locator(f"#{name} textarea, #{name} input").first
        field.fill(text)
        field.blur()

    def tick(self, name: str, on: bool = True) -> None:
        self.tab.locator(f"#{name} input[type=checkbox]").first.set_checked(on)

    def pick(self, name: str, choice: str) -> None:
        """Choose in a drop-down."""
        self.tab.locator(f"#{name} input").first.click()
        self.tab.locator(f"#{name} [role=option], [role=listbox] [role=option]").filter(has_text=choice).first.click()

    def unfold(self, title: str) -> None:
        self.tab.get_by_role("button", name=title, exact=False).first.click()

    def press(self, name: str) -> None:
        self.tab.locator(f"#{name}").click()

    def shows(self, name: str, text: str) -> None:
        """Wait until it does."""
        self.tab.locator(f"#{name}").filter(has_text=text).first.wait_for(timeout=WAIT_MS)

    def text(self, name: str) -> str:
        return str(self.tab.locator(f"#{name}").inner_text())

    def value(self, name: str) -> str:
        return str(self.tab.locator(f"#{name} textarea, #{name} input").first.input_value())

    def close(self) -> None:
        self.context.close()
