"""Every tab in every language: opened, looked at, and nothing asked of any other machine."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from browsing import TABS, Page, Visit

from acestep_plugins.commands.ui.words import words

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PHONE = {"width": 390, "height": 840}
Screenshot = Callable[[Any, str], None]


def outside(visit: Visit) -> list[str]:
    asked = [urlsplit(u) for u in visit.asked]
    return [u.geturl() for u in asked if u.scheme not in ("data", "blob", "about") and u.hostname != "127.0.0.1"]


def check(visit: Visit, language: str, screenshot: Screenshot) -> None:
    """Open every tab, from the menu where there is no room for all; none is wider than the window."""
    said = words(language)
    assert visit.tab.title() == said("title", name="acestep-core")
    assert visit.tab.url.rstrip("/").endswith(f"/{language}")
    assert visit.tab.evaluate("document.documentElement.lang").startswith(language)
    for tab in TABS:
        visit.go(tab, said(f"tab_{tab}"))
        visit.tab.get_by_role("tab", name=said(f"tab_{tab}"), selected=True).first.wait_for()
        assert visit.tab.evaluate("document.documentElement.scrollWidth") <= visit.tab.viewport_size["width"]
        screenshot(visit.tab, f"{language}-{tab}")
    assert visit.errors == [] and outside(visit) == []


def test_each_tab_opens_in_english_and_after_a_switch_for_good_in_japanese_on_a_phone(
    chromium: Any, page: Page, screenshot: Screenshot
):
    visit = Visit(chromium, page.url)
    check(visit, "en", screenshot)
    visit.tab.set_viewport_size(PHONE)
    visit.tab.get_by_role("link", name="日本語").click()
    visit.tab.wait_for_url("**/ja/", wait_until="commit")
    visit.arrive()
    check(visit, "ja", screenshot)
    assert visit.context.request.get(page.url).url.rstrip("/").endswith("/ja")
    visit.close()


def test_each_tab_opens_in_chinese_problems_are_told_in_it_and_the_page_can_be_dark(
    chromium: Any, page: Page, screenshot: Screenshot
):
    visit = Visit(chromium, page.url, "zh-CN", color_scheme="dark")
    visit.tab.locator("body.dark").wait_for()
    check(visit, "zh", screenshot)
    visit.tab.locator("button.theme").click()
    visit.tab.locator("body:not(.dark)").wait_for()
    visit.go("music")
    visit.fill("music-generate-duration_s", "-3")
    visit.press("music-generate")
    visit.tab.get_by_text("必须大于 0").first.wait_for()
    screenshot(visit.tab, "zh-problem")
    visit.tab.get_by_role("button", name="关闭").click()
    visit.tab.locator(".problem").wait_for(state="hidden")
    visit.close()
