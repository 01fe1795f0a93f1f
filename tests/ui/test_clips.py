"""Clips as the page shows and saves them: lines in time out of whichever job wrote them, files under one name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pretended import Pretended

pytest.importorskip("gradio", reason="the extra 'ui' is not installed")

from acestep_plugins.commands.ui.clips import Made, clips_of, scored, scores_text, sound, subtitles, timed
from acestep_plugins.commands.ui.words import words
from acestep_plugins.commands.ui.work import Work

LRC = "[00:01.00]first line\n[00:02.50]second line\n"


class WithFiles(Pretended):
    """What is fetched says of which job it is."""

    def fetch(self, job: str, name: str, path: Path) -> None:
        path.write_text(LRC if name.endswith(".lrc") else f"{job}/{name}")


def two_clips(**more: Any) -> Mapping[str, Any]:
    return {"clips": [{"file": f"clip-{n}.flac", "seed": 6 + n, "duration_s": 4.0, "request": {}, **more}
                      for n in (1, 2)]}  # fmt: skip


def made(server: Pretended) -> tuple[Work, list[Made]]:
    work = Work(server)
    return work, clips_of(work, [work.start("generate", {"caption": "bells"})])


def aligned(path: str, lrc: str) -> Mapping[str, Any]:
    return {"songs": [{"file": path, "lrc": lrc, "lines": []}]}


def test_a_clip_that_nobody_timed_has_no_lrc():
    work, (clip, _) = made(WithFiles({"generate": two_clips()}))
    assert timed(work, clip) is None


def test_an_lrc_made_with_the_clip_is_saved_under_the_name_of_its_sound():
    work, (clip, other) = made(WithFiles({"generate": two_clips(lrc="clip.lrc")}))
    lrc = timed(work, clip)
    assert lrc.read_text() == LRC
    assert lrc.with_suffix(".flac") == sound(work, clip)
    assert sound(work, clip).read_text() == "1/clip-1.flac" and sound(work, other).read_text() == "1/clip-2.flac"


def test_a_clip_timed_later_has_the_lrc_of_the_job_that_timed_it_and_of_no_other_clip():
    server = WithFiles({"generate": two_clips(), "align": aligned("/state/jobs/1/01/clip-2.flac", "1-clip-2.lrc")})
    work, (first, second) = made(server)
    work.start("align", {"audio": ["job:1/clip-2.flac"]})
    assert timed(work, first) is None
    lrc = timed(work, second)
    assert lrc.read_text() == LRC and lrc.stem == sound(work, second).stem
    server.results["align"] = aligned("/state/jobs/2/01/clip-1.flac", "1-clip-1.lrc")
    work.start("align", {"audio": ["job:2/clip-1.flac"]})
    assert timed(work, first) is None


def test_a_clip_scored_later_has_those_scores_and_why_one_is_missing():
    server = WithFiles({"generate": two_clips(scores={"dit": {"score": 0.25}})})
    work, (first, second) = made(server)
    told = {"file": "/state/jobs/1/01/clip-2.flac", "dit": {"score": 0.5}, "problems": ["nano has no LM\ntake another"]}
    server.results["score"] = {"clips": [told]}
    work.start("score", {"clips": [told["file"]]})
    assert scored(work, first) == {"dit": {"score": 0.25}} and scored(work, second) == told
    assert scores_text(told, words("en")).splitlines() == [
        "by the lyrics' alignment: 0.50  ", "nano has no LM  ", "take another"]  # fmt: skip


def test_a_line_is_shown_until_the_next_and_the_last_until_the_clip_ends(tmp_path: Path):
    lrc = tmp_path / "clip.lrc"
    lrc.write_text(LRC)
    lines = subtitles(Made("1", two_clips()["clips"][0], False, {}), lrc)
    assert lines == [{"timestamp": [1.0, 2.5], "text": "first line"}, {"timestamp": [2.5, 4.0], "text": "second line"}]
