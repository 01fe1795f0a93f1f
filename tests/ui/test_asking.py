"""Questions to the server whose answers fill in controls: they go on while the page does something else."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pretended import Pretended

pytest.importorskip("gradio", reason="the extra 'ui' is not installed")

import gradio as gr

from acestep_plugins.commands.ui.clips import MOST
from acestep_plugins.commands.ui.making import found_by
from acestep_plugins.commands.ui.page import build
from acestep_plugins.commands.ui.words import words
from acestep_plugins.commands.ui.work import Work

SONG = {"caption": "slow bells", "lyrics": "la la", "language": "en", "bpm": 80, "keyscale": "", "duration_s": None}
CLIPS = {"clips": [{"file": f"clip-{n}.flac", "seed": n, "duration_s": 4.0, "request": {}} for n in (1, 2)]}


def scored(name: str, score: float) -> Mapping[str, Any]:
    return {"clips": [{"file": f"/state/jobs/1/01/{name}", "lm": None, "dit": {"score": score}, "problems": []}]}


@pytest.fixture
def server() -> Pretended:
    return Pretended({"create": {"songs": [SONG]}, "format": {"songs": [SONG]}, "codes": {"codes": "1 2", "count": 2},
                      "generate": CLIPS, "score": scored("clip-2.flac", 0.5)})  # fmt: skip


@pytest.fixture
def page(server: Pretended) -> gr.Blocks:
    return build(Work(server), words("en"))


def called(page: gr.Blocks, name: str) -> list[Callable[..., list[Any]]]:
    return [event.fn for event in page.fns.values() if event.fn and event.fn.__name__ == name]


def pressed(page: gr.Blocks, button: str, *values: Any) -> list[Any]:
    """What comes of it when all controls but the first are as they come."""
    (at,) = (number for number, block in page.blocks.items() if block.elem_id == button)
    (event,) = (event for event in page.fns.values() if (at, "click") in event.targets)
    return event.fn(*values, *(control.value for control in event.inputs[len(values) :]))


def test_what_is_decided_in_the_queue_is_in_the_table(page: gr.Blocks, server: Pretended):
    song = {"path": "/songs/a.wav", "caption": "slow bells", "file": "a.wav"}
    server.results |= {"song": song, "correct": song}
    items = [{"path": song["path"], "field": "caption", "value": "bells"}]
    known, read, left, *_ = pressed(page, "review-set", {"b": {}}, items, "lyrics", "slow bells")
    assert server.asked[-2] == ("correct", {"song": song["path"], "txt": "lyrics", "caption": "slow bells"})
    assert known == {"b": {}, song["path"]: song | {"read_at": 0.0}} and read == "/songs/a.wav 0.0" and left == []


def test_songs_are_scanned_anew_when_tags_were_written(page: gr.Blocks, server: Pretended):
    edit = {"song": "a.wav", "before": "bells", "after": "slow bells"}
    for changed in ([edit], []):
        server.results["tags"] = {"changed": changed, "counts": [], "problems": {}, "notes": []}
        told, jobs, *_ = pressed(page, "tags-write", "/songs ", "caption")
        assert ("slow bells" in told) == bool(changed)
        assert jobs == (["2"] if changed else gr.skip())
    assert server.asked[1] == ("scan", {"source": "/songs", "txt": "caption", "deep": False})


def test_what_a_job_fills_in(server: Pretended):
    known = {n: v for n, v in SONG.items() if v}
    assert found_by(server.submit("create", {"query": "bells"})) == known
    assert found_by(server.submit("format", {"caption": "bells", "keyscale": "C major"})) == {
        **known, "keyscale": "C major"}  # fmt: skip
    assert found_by(server.submit("codes", {"audio": "a.wav"})) == {"task": {"codes": "1 2"}}


def test_a_song_that_was_written_is_in_the_controls_once_the_job_is_done(page: gr.Blocks, server: Pretended):
    filled, _ = called(page, "filled")
    job = server.submit("create", {"query": "bells"})
    mode, *controls, _ = filled(job["id"])
    shown = [c["value"] for c in controls if c != gr.skip()]
    assert mode == "custom" and {"slow bells", "la la", 80} <= set(shown)
    job["state"] = "failed"
    assert [u for u in filled(job["id"]) if u != gr.skip()] == []


def test_a_clip_is_scored_beside_others_and_only_its_own_place_tells_so(page: gr.Blocks, server: Pretended):
    made = server.submit("generate", {"caption": "bells"})
    waiting = server.submit("score", {"clips": ["job:1/clip-1.flac"]})["id"]
    jobs, *_ = pressed(page, "results-score-1", made["id"], ["told", waiting], "told")
    assert jobs == [waiting, "3"]
    assert server.asked[-1] == ("score", {"clips": ["job:1/clip-2.flac"]})
    (show,) = called(page, "show")
    *told, _ = show("3", made["id"])
    assert len(told) == 3 * MOST
    assert [place for place, update in enumerate(told) if update != gr.skip()] == [3, 4, 5]
    assert "0.50" in told[5]
