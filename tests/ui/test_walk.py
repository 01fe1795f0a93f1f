"""The whole way in the browser: songs, labels, training data, a training, clips with and without it, edits of them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from browsing import Page, Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def visit(chromium: Any, page: Page) -> Any:
    visit = Visit(chromium, page.url)
    yield visit
    assert visit.errors == []
    visit.close()


def test_songs_are_scanned_labelled_corrected_saved_and_encoded(visit: Visit, page: Page, screenshot: Callable):
    visit.go("dataset")
    visit.fill("dataset-source", str(page.folder / "songs"))
    visit.press("dataset-scan")
    visit.shows("dataset-table", "ember_road.wav")
    visit.unfold("Find captions, tempo, key")
    visit.tab.locator("#annotate-annotate-annotators label").filter(has_text="tempo_key").click()
    visit.press("annotate-start")
    visit.tab.get_by_text(re.compile("songs asked about")).first.wait_for()
    screenshot(visit.tab, "walk-dataset")
    visit.tab.locator("#dataset-table").get_by_text("ember_road.wav").first.click()
    visit.shows("song-title", "ember_road.wav")
    visit.fill("song-caption", "deep slow bells")
    visit.press("song-save")
    visit.shows("dataset-table", "deep slow bells")
    assert (page.folder / "songs" / "ember_road.caption.txt").read_text().strip() == "deep slow bells"
    visit.unfold("Save dataset.json")
    visit.fill("save_dataset-save_dataset-out", str(page.folder / "dataset.json"))
    visit.fill("save_dataset-save_dataset-custom_tag", "mybells")
    visit.press("save_dataset-start")
    visit.shows("dataset-saved", "dataset.json")
    assert "mybells" in (page.folder / "dataset.json").read_text()
    visit.unfold("Encode into training data")
    visit.fill("encode-encode-out", str(page.folder / "encoded"))
    visit.press("encode-start")
    visit.shows("dataset-encoded", "songs encoded")
    screenshot(visit.tab, "walk-encoded")
    assert (page.folder / "encoded" / "manifest.json").is_file()


def test_a_training_shows_its_loss_and_its_adapter_is_heard(visit: Visit, page: Page, screenshot: Callable):
    visit.go("train")
    visit.tick("train-estimate-live", False)
    visit.fill("train-train-encoded", str(page.folder / "encoded"))
    visit.fill("train-train-out", str(page.folder / "run"))
    visit.fill("train-train-steps", "4")
    visit.unfold("Samples while training")
    visit.fill("train-samples-count", "1")
    visit.fill("train-samples-seconds", "5")
    visit.shows("train-command", "")
    assert "--steps 4" in visit.value("train-command")
    visit.press("train-start")
    visit.shows("run-told", "finished")
    screenshot(visit.tab, "walk-train")
    assert visit.tab.locator("#train-curve svg polyline").count() >= 2
    assert (page.folder / "run" / "adapter").is_dir()
    visit.press("run-use")
    visit.shows("run-used", "is heard from now on")


def test_clips_are_made_with_and_without_it_repainted_and_their_settings_applied(
    visit: Visit, page: Page, screenshot: Callable
):
    visit.open()
    visit.fill("music-generate-caption", "glass bells")
    visit.fill("music-generate-duration_s", "-3")
    visit.press("music-generate")
    visit.tab.get_by_text("must be above 0").first.wait_for()
    visit.fill("music-generate-duration_s", "5")
    visit.tick("music-beside")
    visit.press("music-generate")
    visit.tab.locator("#results-player-1").wait_for()
    screenshot(visit.tab, "walk-results")
    titles = [t.inner_text() for t in visit.tab.locator(".slot:visible strong").all()]
    assert "by the model alone" in titles[1] and "by the model alone" not in titles[0]
    assert re.search(r"seed (\d+)", titles[0])[1] == re.search(r"seed (\d+)", titles[1])[1]
    visit.press("results-repaint_this-0")
    visit.tab.locator("#music-wave .wave").wait_for()
    box = visit.tab.locator("#music-wave .wave").bounding_box()
    visit.tab.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
    visit.tab.mouse.down()
    visit.tab.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20, steps=4)
    visit.tab.mouse.up()
    visit.tab.wait_for_timeout(1500)
    assert float(visit.value("music-task-start")) == pytest.approx(1.0, abs=0.1)
    assert float(visit.value("music-task-end")) == pytest.approx(3.0, abs=0.1)
    screenshot(visit.tab, "walk-repaint")
    visit.tick("music-beside", False)
    visit.press("music-generate")
    visit.shows("results-where", "of 3")
    visit.press("results-apply-0")
    visit.tab.locator("#music-task-start").wait_for()
    assert float(visit.value("music-task-start")) == pytest.approx(1.0, abs=0.1)
