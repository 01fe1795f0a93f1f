"""The whole way in the browser: songs, labels, training data, a training, clips with and without it, edits of them."""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from browsing import Page, Visit

from acestep_core.commands.demo import bundled_songs

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
STEPS = 20
SONGS = bundled_songs()
LYRICS = "[Verse]\nrain on the roof\nall night long"


@pytest.fixture(scope="module")
def visit(chromium: Any, page: Page) -> Iterator[Visit]:
    visit = Visit(chromium, page.url)
    yield visit
    visit.close()


def test_songs_are_brought_scanned_labelled_corrected_saved_and_encoded(visit: Visit, page: Page, screenshot: Callable):
    visit.go("dataset")
    visit.unfold("Bring songs from this computer")
    visit.tab.locator("#bring-songs input[type=file]").set_input_files(sorted(SONGS.iterdir()))
    visit.fill("bring-folder", "mine")
    visit.press("bring-start")
    visit.shows("bring-told", f"{len([*SONGS.iterdir()])} files put into")
    visit.shows("dataset-table", "ember_road.wav")
    assert Path(visit.value("dataset-source")) == page.folder / "mine"
    visit.unfold("Find captions, tempo, key")
    visit.choose("annotate-annotate-annotators", "tempo_key")
    visit.press("annotate-start")
    visit.tab.get_by_text(re.compile("songs asked about")).first.wait_for()
    visit.settle()
    screenshot(visit.tab, "walk-dataset")
    visit.tab.locator("#dataset-table").get_by_text("ember_road.wav").first.click()
    visit.shows("song-title", "ember_road.wav")
    visit.fill("song-caption", "deep slow bells")
    visit.press("song-save")
    visit.shows("dataset-table", "deep slow bells")
    assert (page.folder / "mine" / "ember_road.caption.txt").read_text().strip() == "deep slow bells"
    visit.unfold("Save dataset.json")
    visit.fill("save_dataset-save_dataset-out", "dataset.json")
    visit.fill("save_dataset-save_dataset-custom_tag", "mybells")
    visit.press("save_dataset-start")
    visit.shows("dataset-saved", "dataset.json")
    assert "mybells" in (page.folder / "dataset.json").read_text()
    visit.unfold("Encode into training data")
    visit.press("encode-start")
    visit.shows("dataset-encoded", "songs encoded")
    screenshot(visit.tab, "walk-encoded")
    assert (page.folder / "encoded" / "manifest.json").is_file()


def test_a_training_shows_the_loss_of_each_step_and_its_adapter_is_heard(
    visit: Visit, page: Page, screenshot: Callable
):
    visit.go("train")
    visit.tick("train-estimate-live", False)
    visit.fill("train-train-encoded", "encoded")
    visit.fill("train-train-steps", str(STEPS))
    visit.unfold("Samples while training")
    visit.fill("train-samples-count", "1")
    visit.fill("train-samples-seconds", "5")
    visit.until(lambda: f"--steps {STEPS}" in visit.value("train-command"))
    visit.press("train-start")
    visit.shows("run-told", f"{STEPS} / {STEPS}, finished")
    screenshot(visit.tab, "walk-train")
    curve = visit.tab.locator("#train-curve svg polyline.thin").get_attribute("points").split()
    assert len(curve) == STEPS
    assert all(math.isfinite(float(n)) for point in curve for n in point.split(","))
    assert (page.folder / "run" / "adapter").is_dir()
    visit.tab.locator("#run-sample-1").wait_for()
    visit.press("run-use")
    visit.shows("run-used", "is heard from now on")


def test_clips_are_made_with_and_without_it_timed_saved_repainted_and_their_settings_applied(
    visit: Visit, screenshot: Callable
):
    visit.go("music")
    visit.fill("music-generate-caption", "glass bells")
    visit.fill("music-generate-lyrics", LYRICS)
    visit.fill("music-generate-duration_s", "-3")
    visit.press("music-generate")
    visit.tab.get_by_text("must be above 0").first.wait_for()
    visit.fill("music-generate-duration_s", "5")
    visit.tick("music-beside")
    visit.press("music-generate")
    visit.tab.locator("#results-player-1").wait_for()
    titles = [t.inner_text() for t in visit.tab.locator(".slot:visible strong").all()]
    assert "by the model alone" in titles[1] and "by the model alone" not in titles[0]
    assert re.search(r"seed (\d+)", titles[0])[1] == re.search(r"seed (\d+)", titles[1])[1]
    _saved_and_timed(visit)
    screenshot(visit.tab, "walk-results")
    visit.press("results-repaint_this-0")
    _drawn(visit)
    screenshot(visit.tab, "walk-repaint")
    visit.tick("music-beside", False)
    visit.press("music-generate")
    visit.shows("results-where", "Batch 1 of 3")
    visit.press("results-older")
    visit.shows("results-where", "Batch 2 of 3")
    visit.press("results-newer")
    visit.shows("results-where", "Batch 1 of 3")
    visit.press("results-apply-0")
    visit.tab.locator("#music-task-start").wait_for()
    assert float(visit.value("music-task-start")) == pytest.approx(1.0, abs=0.1)
    assert visit.value("music-generate-caption") == "glass bells"


def _saved_and_timed(visit: Visit) -> None:
    sound = visit.saved("results-save-0")
    assert soundfile.info(sound).duration == pytest.approx(5.0, abs=0.1)
    assert not visit.tab.locator("#results-save_lrc-0").is_visible()
    visit.unfold("How lyrics are timed and scored")
    visit.fill("results-align-heads", "all")  # nobody knows the heads of a model with random ones
    visit.press("results-lrc-0")
    visit.tab.locator("#results-save_lrc-0").wait_for()
    lrc = visit.saved("results-save_lrc-0")
    assert re.findall(r"\[\d\d:\d\d\.\d\d\](.+)", lrc.read_text()) == LYRICS.splitlines()[1:]
    assert (lrc.suffix, lrc.stem) == (".lrc", sound.stem)


def _drawn(visit: Visit) -> None:
    """From a fifth to three fifths of the song of five seconds."""
    wave = visit.tab.locator("#music-wave .wave")
    wave.wait_for()
    visit.settle()
    wave.scroll_into_view_if_needed()
    width = wave.bounding_box()["width"]
    wave.hover(position={"x": width * 0.2, "y": 20})  # once it stays where it is: the player above it takes its place
    visit.tab.mouse.down()
    wave.hover(position={"x": width * 0.6, "y": 20})
    visit.tab.mouse.up()
    visit.until(lambda: visit.value("music-task-end") != "-1")
    assert float(visit.value("music-task-start")) == pytest.approx(1.0, abs=0.1)
    assert float(visit.value("music-task-end")) == pytest.approx(3.0, abs=0.1)
    visit.settle()


def test_a_base_model_is_loaded_for_what_turbo_cannot(visit: Visit, page: Page, screenshot: Callable):
    visit.go("models")
    visit.press("adapters-remove-0")
    visit.tab.get_by_text("None: clips are made by the model alone.").wait_for()
    visit.pick("models-load-model", "nano-base")
    visit.until(lambda: visit.value("models-load-variant") == "automatic")
    visit.press("models-load")
    visit.shows("models-status", "acestep-nano-base")
    screenshot(visit.tab, "walk-models")
    visit.go("music")
    visit.unfold("Steps and guidance")
    for count, (mode, task) in enumerate((("Extract", "extract"), ("Lego", "lego"), ("Complete", "complete")), 4):
        visit.choose("music-mode", mode)
        if mode == "Complete":
            visit.choose("music-task-tracks", "drums")
        else:
            visit.pick("music-task-track", "drums")
        visit.fill("music-generate-steps", "2")
        visit.press("music-generate")
        visit.shows("results-where", f"of {count}")
        made = page.store.jobs(kind="generate", limit=1)[0]
        assert (made["state"], made["request"]["task"]["name"]) == ("done", task)
        assert "drums" in str(made["request"]["task"])
        visit.go("music")
