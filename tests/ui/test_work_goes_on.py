"""Work lives in the server: it is cancelled there, and found again by whoever opens the page."""

from typing import Any

import pytest
from browsing import Page, Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def begun(visit: Visit) -> None:
    """A clip that takes longer than anybody waits."""
    visit.fill("music-generate-caption", "endless bells")
    visit.fill("music-generate-duration_s", "240")
    visit.unfold("Steps and guidance")
    visit.fill("music-generate-steps", "1000")
    visit.press("music-generate")
    visit.shows("music-progress", "steps")


def test_a_reload_and_a_second_browser_find_the_work_which_either_can_cancel(chromium: Any, page: Page):
    visit = Visit(chromium, page.url)
    begun(visit)
    visit.open()
    visit.shows("music-progress", "steps")
    other = Visit(chromium, page.url, "zh-CN")
    other.shows("music-progress", "/1000")
    other.press("music-cancel")
    visit.shows("music-progress", "Stopped")
    other.shows("music-progress", "已停止")
    newest = page.client.jobs(kind="generate", limit=1)[0]
    assert newest.state == "cancelled"
    assert visit.errors == [] and other.errors == []
    visit.close()
    other.close()
