"""The table of songs, while scans and corrections overtake each other."""

from typing import Any

import pytest

pytest.importorskip("gradio", reason="the extra 'ui' is not installed")

from acestep_plugins.commands.ui.tabs.dataset import drawn
from acestep_plugins.commands.ui.words import words


def song(name: str, caption: str, read_at: float) -> dict[str, Any]:
    empty = dict.fromkeys(("bpm", "keyscale", "timesignature", "language", "genre"))
    return {"path": f"/songs/{name}", "caption": caption, "lyrics": "", "instrumental": True, "duration_s": 5.0,
            "unreviewed": [], "confidence": {}, "problems": [], "notes": [], "read_at": read_at, **empty}  # fmt: skip


def captions(found: list[dict[str, Any]], corrected: list[dict[str, Any]]) -> list[str]:
    return [row[2] for row in drawn(words("en"), found, {s["path"]: s for s in corrected})]


def test_a_correction_made_during_a_scan_is_not_undone_by_what_the_scan_read_before():
    found = [song("a.flac", "bells", 10.0), song("b.flac", "drums", 10.0)]
    assert captions(found, [song("b.flac", "slow drums", 10.5)]) == ["bells", "slow drums"]


def test_a_scan_after_a_correction_tells_what_is_there_now():
    found = [song("a.flac", "bells", 20.0), song("b.flac", "corrected elsewhere", 20.0)]
    assert captions(found, [song("b.flac", "slow drums", 10.5)]) == ["bells", "corrected elsewhere"]


def test_a_song_that_is_gone_since_it_was_corrected_stays_away():
    assert captions([song("a.flac", "bells", 20.0)], [song("b.flac", "slow drums", 10.5)]) == ["bells"]
