"""Work lives in the server: it is found again by whoever opens the page, and anybody who sees it can cancel it."""

from collections.abc import Iterator
from typing import Any

import pytest
from browsing import Page, Visit
from patient import SONGS, TAKES

from acestep_core.commands.demo import bundled_songs
from acestep_core.registry import registry

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
STEPS = 1000


@pytest.fixture(scope="module")
def visit(chromium: Any, page: Page) -> Iterator[Visit]:
    visit = Visit(chromium, page.url)
    yield visit
    visit.close()


def test_a_reload_and_a_second_browser_find_all_work_and_each_kind_is_cancelled_in_the_middle(
    visit: Visit, chromium: Any, page: Page
):
    _endless_clip(visit)
    _song_written_behind_it(visit)
    _long_labelling(visit)
    _encoding_behind_both(visit)
    visit.open()
    visit.shows("music-progress", f"/{STEPS}")
    visit.shows("writing-progress", "Waiting, 1 before it")
    visit.press("writing-cancel")
    visit.shows("writing-progress", "Stopped")
    visit.go("dataset")  # where both are unfolded now, without anybody's doing
    visit.shows("annotate-progress", f"/{SONGS}")
    visit.shows("encode-progress", "Waiting, 1 before it")
    other = Visit(chromium, page.url, "zh-CN")
    other.shows("music-progress", f"/{STEPS}")
    other.press("music-cancel")
    other.shows("music-progress", "已停止")
    visit.shows("encode-progress", f"/{SONGS}")
    for kind in ("annotate", "encode"):
        visit.press(f"{kind}-cancel")
        visit.shows(f"{kind}-progress", "Stopped")
    visit.go("music")
    visit.shows("music-progress", "Stopped")
    kinds = ("generate", "create", "annotate", "encode")
    assert {kind: page.state(kind) for kind in kinds} == dict.fromkeys(kinds, "cancelled")
    other.close()


def test_a_scan_and_a_transcription_are_cancelled_in_the_middle(visit: Visit, page: Page):
    visit.go("dataset")
    visit.fill("dataset-source", "takes")
    visit.tick("dataset-deep")
    visit.press("dataset-scan")
    visit.shows("dataset-progress", f"/{TAKES}")
    visit.press("dataset-cancel")
    visit.shows("dataset-progress", "Stopped")
    assert page.state("scan") == "cancelled"
    visit.tick("dataset-deep", False)
    visit.fill("dataset-source", "long")
    visit.unfold("Find lyrics")
    visit.pick("transcribe-transcribe-transcriber", "patient")
    visit.fill("transcribe-patient-seconds", "3")
    visit.press("transcribe-start")
    visit.shows("transcribe-progress", f"/{SONGS}")
    visit.press("transcribe-cancel")
    visit.shows("transcribe-progress", "Stopped")
    assert page.state("transcribe") == "cancelled"


def test_a_training_is_cancelled_in_the_middle_and_goes_on(visit: Visit, page: Page):
    visit.go("dataset")
    visit.fill("encode-encode-out", "for-long")
    visit.fill("dataset-source", "songs")
    visit.press("encode-start")
    visit.shows("dataset-encoded", "for-long")
    visit.go("train")
    visit.tick("train-estimate-live", False)
    visit.fill("train-train-encoded", "for-long")
    visit.fill("train-train-out", "long-run")
    visit.fill("train-train-steps", "100000")
    visit.unfold("Samples while training")
    visit.fill("train-samples-count", "0")
    visit.press("train-start")
    visit.tab.locator("#train-curve svg polyline").first.wait_for()
    visit.press("train-cancel")
    visit.shows("train-progress", "Stopped")
    assert page.state("train") == "cancelled"
    visit.shows("run-told", "/ 100000, unfinished")
    assert list((page.folder / "long-run").glob("checkpoint*"))


def test_the_language_model_is_cancelled_in_the_middle_and_a_sound_becomes_codes(visit: Visit, page: Page):
    registry().make("backends", "pt").write_tiny(page.folder / "tiny", "turbo")
    _load(visit, "tiny")
    visit.go("music")
    _asked_for_a_song(visit)
    visit.shows("writing-progress", "Asking the language model")
    visit.press("writing-cancel")
    visit.shows("writing-progress", "Stopped")
    assert page.state("create") == "cancelled"
    visit.unfold("Audio codes")
    visit.tab.locator("#music-convert input[type=file]").set_input_files(next(bundled_songs().glob("*.wav")))
    visit.press("music-to-codes")
    visit.until(lambda: "<|audio_code_" in visit.value("music-task-codes"))
    _load(visit, "nano")


def _load(visit: Visit, model: str) -> None:
    visit.go("models")
    visit.fill("models-load-model", model)
    visit.press("models-load")
    visit.shows("models-status", f"acestep-{'v15-' * (model == 'tiny')}{model}")


def _asked_for_a_song(visit: Visit) -> None:
    visit.choose("music-mode", "Simple")
    visit.fill("music-query", "a waltz")
    visit.press("music-create")


def _song_written_behind_it(visit: Visit) -> None:
    _asked_for_a_song(visit)
    visit.shows("writing-progress", "Waiting, 1 before it")


def _endless_clip(visit: Visit) -> None:
    visit.fill("music-generate-caption", "endless bells")
    visit.fill("music-generate-duration_s", "240")
    visit.unfold("Steps and guidance")
    visit.fill("music-generate-steps", str(STEPS))
    visit.press("music-generate")
    visit.shows("music-progress", f"/{STEPS}")


def _long_labelling(visit: Visit) -> None:
    visit.go("dataset")
    visit.fill("dataset-source", "long")
    visit.unfold("Find captions, tempo, key")
    visit.unfold("Encode into training data")
    visit.choose("annotate-annotate-annotators", "patient")
    visit.fill("annotate-patient-seconds", "3")
    visit.press("annotate-start")
    visit.shows("annotate-progress", f"/{SONGS}")


def _encoding_behind_both(visit: Visit) -> None:
    visit.fill("encode-encode-out", "long-encoded")
    visit.press("encode-start")
    visit.shows("encode-progress", "Waiting, 2 before it")
