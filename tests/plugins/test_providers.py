"""Every plugin that asks a service, through a whole folder, against a service that misbehaves as services do."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from acestep_core import PluginError, Transcriber, process_folder
from acestep_core.preparation import PrepareResult
from acestep_core.registry import registry
from acestep_core.scan import scan_folder
from acestep_core.services import Remote
from acestep_core.testing.fakes import Provider, fake_provider, write_wav
from acestep_plugins.acestep_omni.annotator import AceStepCaptioner
from acestep_plugins.acestep_omni.transcriber import AceStepTranscriber
from acestep_plugins.gemini.annotator import GeminiAnnotator
from acestep_plugins.gemini.transcriber import GeminiTranscriber
from acestep_plugins.transcribers.elevenlabs import ElevenLabs
from acestep_plugins.transcribers.openai import OpenAi

KEY = "Sk-Very-Secret-1"


def gemini(**found: str) -> dict:
    return {"candidates": [{"content": {"parts": [{"text": json.dumps(found)}]}, "finishReason": "STOP"}]}


def chat(text: str) -> dict:
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


GOOD: dict[type, dict] = {
    OpenAi: {"text": "la la", "languages": [{"code": "en"}]},
    ElevenLabs: {"text": "la la", "language_code": "eng", "words": []},
    GeminiTranscriber: gemini(lyrics="la la", language="en"),
    GeminiAnnotator: gemini(caption="Slow bells.", genre="folk", language="en"),
    AceStepTranscriber: chat("# Languages\nen\n\n# Lyrics\nla la"),
    AceStepCaptioner: chat("Slow bells."),
}
EACH = pytest.mark.parametrize("plugin", list(GOOD), ids=lambda p: p.__name__)


@dataclass
class Folder:
    """Two songs, and a service that `plugin` asks about them."""

    path: Path
    provider: Provider
    waits: list[float]

    def run(self, plugin: type, **options: Any) -> PrepareResult:
        made = plugin(base_url=self.provider.url, key_env="TEST_KEY", retries=2, **options)
        made.service.sleep = self.waits.append
        if isinstance(made, Transcriber):
            return process_folder(self.path, transcriber=made)
        return process_folder(self.path, annotators=[made], fields=["caption"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.setenv("TEST_KEY", KEY)
    write_wav(tmp_path / "a.wav", 1.0, rate_hz=16_000)
    write_wav(tmp_path / "b.wav", 1.0, rate_hz=16_000, hz=330.0)
    with fake_provider() as provider:
        yield Folder(tmp_path, provider, [])


def sentence(result: PrepareResult, name: str = "a.wav") -> str:
    """What is told of a song: one sentence with a remedy, without the key, and no label written."""
    (problem,) = result.problems[name]
    assert problem.remedy and "\n" not in problem.text and KEY not in str(problem) and name in problem.text
    assert name not in result.filled
    return problem.text


def test_no_plugin_that_asks_a_service_is_left_out():
    known = [k for kind in ("transcribers", "annotators") for k in registry().known(kind) if k.dist == "acestep-core"]
    found = set()
    for k in known:
        try:
            found.add(registry().load(k.kind, k.qualified))
        except PluginError:
            pytest.fail(f"{k.name} cannot be loaded")
    assert {p for p in found if issubclass(p, Remote)} == set(GOOD)


@EACH
def test_a_rerun_sends_nothing_twice(plugin: type, folder: Folder):
    folder.provider.answer(200, GOOD[plugin])
    first = folder.run(plugin)
    assert sorted(first.filled) == ["a.wav", "b.wav"] and len(folder.provider.received) == 2
    assert folder.run(plugin).kept == ["a.wav", "b.wav"] and len(folder.provider.received) == 2
    assert not [p for p in folder.path.iterdir() if KEY.encode() in p.read_bytes()]


@EACH
@pytest.mark.parametrize(("status", "content", "said"), [
    (401, {"error": {"message": f"no {KEY}"}}, "refused the key"), (403, {}, "refused the key"),
    (404, {"error": {"message": "no such model"}}, "no such model"),
    (400, {"error": {"code": "model_not_found"}}, "no such model"),
    (400, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}, "refused the key"),
    (429, {"error": {"code": "insufficient_quota"}}, "used up"),
])  # fmt: skip
def test_what_every_song_would_meet_ends_the_run_after_one_request(plugin, status, content, said, folder: Folder):
    folder.provider.answer(status, content)
    result = folder.run(plugin)
    assert said in str(result.ended) and KEY not in str(result.ended) and result.ended.remedy
    assert len(folder.provider.received) == 1 and result.not_asked == ["a.wav", "b.wav"] and not result.problems
    folder.provider.answers[:] = [(200, GOOD[plugin], {})]
    assert sorted(folder.run(plugin).filled) == ["a.wav", "b.wav"]


@EACH
def test_a_missing_key_ends_the_run_before_anything_is_sent(plugin: type, folder: Folder, monkeypatch):
    monkeypatch.delenv("TEST_KEY")
    assert "TEST_KEY is not set" in str(folder.run(plugin).ended) and not folder.provider.received


@EACH
@pytest.mark.parametrize(("status", "headers", "wait_s"), [(408, {}, 0.5), (429, {"Retry_After": "7"}, 7.0),
                                                          (500, {}, 0.5), (503, {}, 0.5)])  # fmt: skip
def test_what_passes_is_tried_again_with_the_same_request(plugin, status, headers, wait_s, folder: Folder):
    folder.provider.answer(status, {"error": "busy"}, **headers)
    folder.provider.answer(200, GOOD[plugin])
    assert len(folder.run(plugin).filled) == 2 and folder.waits == [wait_s]
    first, second, third = folder.provider.received
    assert first.path == second.path == third.path
    assert (
        (first.form() == second.form()) if "multipart" in first.headers["Content-Type"] else first.body == second.body
    )


@EACH
@pytest.mark.parametrize(
    ("status", "said"), [(413, "too large"), (422, "cannot do"), (429, "no more"), (500, "failing")]
)
def test_what_one_song_meets_costs_the_other_nothing(plugin, status: int, said: str, folder: Folder):
    tries = 3 if status in (429, 500) else 1
    for _ in range(tries):
        folder.provider.answer(status, {"detail": [{"msg": f"no {KEY}"}]})
    folder.provider.answer(200, GOOD[plugin])
    result = folder.run(plugin)
    assert said in sentence(result) and set(result.filled) == {"b.wav"} and result.ended is None
    assert set(folder.run(plugin).filled) == {"a.wav"} and len(folder.provider.received) == tries + 2


@EACH
@pytest.mark.parametrize(
    "content", [b"{half", b"<html>busy</html>", b"[1]", {}, {"text": 3, "candidates": 3, "choices": 3}]
)
def test_broken_answers_are_told_and_tried_again_by_the_next_run(plugin, content: Any, folder: Folder):
    folder.provider.answer(200, content)
    folder.provider.answer(200, GOOD[plugin])
    result = folder.run(plugin)
    assert sentence(result) and set(result.filled) == {"b.wav"}
    assert set(folder.run(plugin).filled) == {"a.wav"}


@EACH
def test_a_body_that_drips_without_end_is_given_up(plugin: type, folder: Folder):
    def drip() -> Iterator[bytes]:
        for _ in range(200):
            yield b" "
            time.sleep(0.02)

    folder.provider.answer(200, drip)
    folder.provider.answer(200, GOOD[plugin])
    result = folder.run(plugin, timeout_s=0.3)
    assert "within 0.3 s" in sentence(result) and set(result.filled) == {"b.wav"}


@EACH
def test_a_connection_cut_in_the_middle_is_tried_again(plugin: type, folder: Folder):
    folder.provider.answer(200, GOOD[plugin], Content_Length="100000")
    folder.provider.answer(200, GOOD[plugin])
    assert len(folder.run(plugin).filled) == 2 and len(folder.provider.received) == 3


@pytest.fixture(scope="module")
def two_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two hours that is a few kilobytes for each of its minutes."""
    path = tmp_path_factory.mktemp("long") / "long.flac"
    minute = (np.sin(np.arange(60 * 8000) * 0.05) * (np.arange(60 * 8000) % 8000 < 4000) * 8000).astype(np.int16)
    with soundfile.SoundFile(path, "w", 8000, 1, format="FLAC", subtype="PCM_16") as f:
        for _ in range(120):
            f.write(minute)
    return path


@pytest.mark.slow
@EACH
def test_two_hours_go_out_in_pieces_that_fit_and_only_once(plugin: type, two_hours: Path, folder: Folder):
    for name in ("a.wav", "b.wav"):
        (folder.path / name).unlink()
    (folder.path / "long.flac").symlink_to(two_hours)
    whole = {GeminiAnnotator: 1, AceStepCaptioner: 1, AceStepTranscriber: 24}  # the others are cut at 20 minutes
    folder.provider.answer(200, GOOD[plugin])
    result = folder.run(plugin, **({"inline_mb": 70} if "gemini" in plugin.name else {}))
    assert set(result.filled) == {"long.flac"}, result
    assert len(folder.provider.received) == whole.get(plugin, 6)
    assert max(len(r.body) for r in folder.provider.received) < 28_000_000
    folder.run(plugin)
    assert len(folder.provider.received) == whole.get(plugin, 6)
    song = scan_folder(folder.path).songs[0]
    assert song.lyrics.split() == ["la"] * 2 * whole.get(plugin, 6) or song.caption == "Slow bells."


def test_no_plugin_sends_a_field_it_was_not_told_to(folder: Folder):
    names: dict[str, set[str]] = {}
    for plugin, content in GOOD.items():
        folder.provider.answers[:] = [(200, content, {})]
        folder.provider.received.clear()
        for path in [p for p in folder.path.iterdir() if p.suffix != ".wav"]:
            path.unlink()
        folder.run(plugin, **({"words": "yes"} if plugin is OpenAi else {}))
        asked = folder.provider.received[0]
        form = "multipart" in asked.headers["Content-Type"]
        names[plugin.__name__] = {n for n, _, _ in asked.form()} if form else set(json.loads(asked.body))
    assert names == {
        "OpenAi": {"model", "response_format", "timestamp_granularities[]", "file"},
        "ElevenLabs": {"model_id", "timestamps_granularity", "tag_audio_events", "diarize", "file"},
        "GeminiTranscriber": {"contents", "generationConfig"},
        "GeminiAnnotator": {"contents", "generationConfig"},
        "AceStepTranscriber": {"model", "messages", "max_tokens", "temperature"},
        "AceStepCaptioner": {"model", "messages", "max_tokens", "temperature"},
    }
