"""Gemini as transcriber and annotator, against a service on loopback that gives its published answers."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from acestep_core import Song, UserError, process_folder
from acestep_core.testing.fakes import Provider, fake_provider, write_wav
from acestep_plugins.gemini.annotator import GeminiAnnotator
from acestep_plugins.gemini.transcriber import GeminiTranscriber

KEY = "AIza-Very-Secret"
LYRICS = "Rain on the roof\n(oh)\n\nSun again"
TAGGED = "[Verse 1]\nRain on the roof\n(oh)\n\n[Chorus]\nSun again"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with fake_provider() as found:
        yield found


@pytest.fixture
def make(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    monkeypatch.setenv("TEST_KEY", KEY)
    made = []

    def make(plugin: type = GeminiTranscriber, **options: Any) -> Any:
        made.append(plugin(base_url=provider.url, key_env="TEST_KEY", **options))
        made[-1].service.sleep = lambda s: None
        return made[-1]

    yield make
    for thing in made:
        thing.close()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "my song.wav", 3.0)


def says(*, reason: str = "STOP", **found: Any) -> dict:
    parts = [{"text": "hm", "thought": True}, {"text": json.dumps(found)}]
    return {"candidates": [{"content": {"parts": parts}, "finishReason": reason}]}


def asked(provider: Provider, number: int = -1) -> dict:
    return json.loads(provider.received[number].body)


@pytest.mark.parametrize("api", ["v1", "v1beta"])
def test_a_small_song_travels_inside_the_request(api: str, provider: Provider, make, song: Path):
    provider.answer(200, says(lyrics=TAGGED, language="en"))
    found = make(api=api).transcribe(song, language="en")
    assert (found.text, found.language) == (TAGGED, "en")
    assert provider.received[0].path == f"/{api}/models/gemini-3.8-flash:generateContent"
    assert provider.received[0].headers["x-goog-api-key"] == KEY
    audio, prompt = asked(provider)["contents"][0]["parts"]
    assert audio["inlineData"]["mimeType"] == "audio/wav" and "'en'" in prompt["text"]
    assert base64.b64decode(audio["inlineData"]["data"]) == song.read_bytes()


def test_json_is_asked_for_by_schema_and_no_temperature_is_sent(provider: Provider, make, song: Path):
    provider.answer(200, says(lyrics="la", language="unknown"))
    assert make().transcribe(song).language is None
    config = asked(provider)["generationConfig"]
    assert set(config) == {"responseMimeType", "responseJsonSchema"}
    assert config["responseJsonSchema"]["required"] == ["lyrics", "language"]
    make(thinking="LOW", temperature=0.0).transcribe(song)
    config = asked(provider)["generationConfig"]
    assert (config["thinkingConfig"], config["temperature"]) == ({"thinkingLevel": "LOW"}, 0.0)


def uploads(provider: Provider, *states: str) -> None:
    """The answers of the Files API up to the file being in the last state."""
    provider.answer(200, {}, X_Goog_Upload_URL=f"{provider.url}/session/1")
    entries = [{"name": "files/ab-1", "uri": "https://files/ab-1", "state": s} for s in states]
    provider.answer(200, {"file": entries[0]})
    for entry in entries[1:]:
        provider.answer(200, entry)


def steps(provider: Provider) -> list[str]:
    return [f"{r.method} {r.path}" for r in provider.received]


ASK = "POST /v1/models/gemini-3.8-flash:generateContent"
START, SEND, LOOK, DELETE = "POST /upload/v1/files", "POST /session/1", "GET /v1/files/ab-1", "DELETE /v1/files/ab-1"


def test_a_large_song_is_uploaded_awaited_used_and_deleted(provider: Provider, make, song: Path):
    uploads(provider, "PROCESSING", "PROCESSING", "ACTIVE")
    provider.answer(200, says(lyrics="la", language="en"))
    provider.answer(200, {})
    assert make(inline_mb=0.1).transcribe(song).text == "la"
    assert steps(provider) == [START, SEND, LOOK, LOOK, ASK, DELETE]
    start, send, ask = provider.received[0], provider.received[1], asked(provider, 4)
    size = str(song.stat().st_size)
    told = {k: v for k, v in start.headers.items() if k.startswith("X-Goog-Upload")}
    assert told == {"X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start",
                    "X-Goog-Upload-Header-Content-Length": size,
                    "X-Goog-Upload-Header-Content-Type": "audio/wav"}  # fmt: skip
    assert send.body == song.read_bytes() and send.headers["Content-Length"] == size
    assert (send.headers["X-Goog-Upload-Command"], send.headers["X-Goog-Upload-Offset"]) == ("upload, finalize", "0")
    assert ask["contents"][0]["parts"][0] == {"fileData": {"mimeType": "audio/wav", "fileUri": "https://files/ab-1"}}


def test_an_upload_that_fails_is_begun_anew(provider: Provider, make, song: Path):
    provider.answer(200, {}, X_Goog_Upload_URL=f"{provider.url}/session/0")
    provider.answer(503, {})
    uploads(provider, "ACTIVE")
    provider.answer(200, says(lyrics="la", language="en"))
    assert make(inline_mb=0.1).transcribe(song).text == "la"
    assert steps(provider) == [START, "POST /session/0", START, SEND, ASK, DELETE]
    assert provider.received[3].body == song.read_bytes()


def test_the_upload_is_deleted_even_if_the_answer_is_an_error_and_a_failed_deletion_costs_nothing(
    provider: Provider, make, song: Path
):
    uploads(provider, "ACTIVE")
    provider.answer(400, {"error": {"code": 400, "message": "bad audio", "status": "INVALID_ARGUMENT"}})
    provider.answer(403, {})
    with pytest.raises(UserError, match="bad audio"):
        make(inline_mb=0.1).transcribe(song)
    assert steps(provider)[-1] == DELETE


@pytest.mark.parametrize(("state", "said"), [("FAILED", "could not read"), ("PROCESSING", "did not get")])
def test_a_file_that_never_gets_ready_is_told_and_deleted(state: str, said: str, provider: Provider, make, song: Path):
    uploads(provider, "PROCESSING", state)
    with pytest.raises(UserError, match=f"{said} my song.wav"):
        make(inline_mb=0.1, timeout_s=20).transcribe(song)
    assert steps(provider)[-1] == DELETE


@pytest.mark.parametrize(("answer", "said"), [
    (says(reason="SAFETY"), "safety filter"), (says(reason="RECITATION"), "known work"),
    (says(reason="MAX_TOKENS", lyrics="la"), "cut off"), (says(reason="LANGUAGE"), "stopped early"),
    ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "PROHIBITED_CONTENT"), ({}, "without the JSON"),
    ({"candidates": [{"content": {"parts": [{"text": "no json"}]}}]}, "without the JSON"),
    ({"candidates": [{"content": None, "finishReason": "STOP"}]}, "without the JSON"), ({"candidates": "x"}, "without"),
])  # fmt: skip
def test_why_there_is_no_answer_is_told(answer: dict, said: str, provider: Provider, make, song: Path):
    provider.answer(200, answer)
    with pytest.raises(UserError, match=said) as caught:
        make().transcribe(song)
    assert "Gemini" in caught.value.problem and "my song.wav" in caught.value.problem and caught.value.hint


def test_it_waits_as_long_as_google_asks(provider: Provider, make, song: Path):
    waits, made = [], make()
    made.service.sleep = waits.append
    provider.answer(429, {"error": {"message": "slow", "details": [{"@type": "x/RetryInfo", "retryDelay": "12s"}]}})
    provider.answer(200, says(lyrics="la", language="en"))
    made.transcribe(song)
    assert waits == [12.0] and provider.received[0].body == provider.received[1].body


def test_a_long_song_is_asked_about_in_pieces(provider: Provider, make, tmp_path: Path):
    for lyrics, language in (("[Verse]\none", "en"), ("[Outro]", "unknown"), ("[Verse]\nthree", "en")):
        provider.answer(200, says(lyrics=lyrics, language=language))
    found = make(longest_min=0.05).transcribe(write_wav(tmp_path / "long.wav", 7.0))
    assert (found.text, found.language) == ("[Verse]\none\n\n[Verse]\nthree", "en")


@pytest.mark.parametrize("lyrics", ["", "[Instrumental]", " \n[Intro]\n"])
def test_tags_alone_are_no_lyrics(lyrics: str, provider: Provider, make, song: Path):
    provider.answer(200, says(lyrics=lyrics, language="unknown"))
    assert make().transcribe(song).text == ""


def test_tags_are_added_to_lyrics_after_listening(provider: Provider, make, song: Path):
    provider.answer(200, says(lyrics=TAGGED))
    assert make().add_tags(song, LYRICS) == TAGGED
    audio, prompt = asked(provider)["contents"][0]["parts"]
    assert base64.b64decode(audio["inlineData"]["data"]) == song.read_bytes() and LYRICS in prompt["text"]
    assert asked(provider)["generationConfig"]["responseJsonSchema"]["required"] == ["lyrics"]


@pytest.mark.parametrize("changed", [
    TAGGED.replace("roof", "rooftop"), TAGGED.replace("Sun", "sun"), TAGGED + "\nla", TAGGED.replace("(oh)\n", ""),
    TAGGED.replace("[Chorus]", "[Chorus]\n[never sung]"), TAGGED.replace("roof\n", "roof "), "[Verse]", "",
])  # fmt: skip
def test_tags_that_come_with_changed_words_are_refused(changed: str, provider: Provider, make, song: Path):
    provider.answer(200, says(lyrics=changed))
    with pytest.raises(UserError, match="changed words"):
        make().add_tags(song, LYRICS)


@pytest.mark.parametrize("answer", [{"lyrics": None}, {"lyrics": 3}, {}])
def test_an_answer_without_lyrics_is_told(answer: dict, provider: Provider, make, song: Path):
    provider.answer(200, says(**answer))
    with pytest.raises(UserError, match="without lyrics"):
        make().transcribe(song)
    with pytest.raises(UserError, match="without lyrics"):
        make().add_tags(song, LYRICS)


def test_the_annotator_asks_for_what_is_wanted_and_is_not_sure_of_itself(provider: Provider, make, song: Path):
    provider.answer(200, says(caption=" Slow bells. ", language="ja", bpm=120))
    found = make(GeminiAnnotator).annotate(Song(song), ["language", "bpm", "caption"])
    assert {k: (v.value, v.confidence) for k, v in found.items()} == {
        "caption": ("Slow bells.", None), "language": ("ja", None)}  # fmt: skip
    assert asked(provider)["generationConfig"]["responseJsonSchema"]["required"] == ["caption", "language"]


def test_the_annotator_asks_nothing_it_cannot_answer(provider: Provider, make, song: Path):
    assert make(GeminiAnnotator).annotate(Song(song), ["bpm", "keyscale"]) == {}
    assert not provider.received


@pytest.mark.parametrize("found", [{}, {"caption": " ", "language": "unknown"}, {"caption": 3, "language": "elvish"}])
def test_what_the_annotator_does_not_know_is_absent(found: dict, provider: Provider, make, song: Path):
    provider.answer(200, says(**found))
    assert make(GeminiAnnotator).annotate(Song(song), ["caption", "language"]) == {}


@pytest.mark.parametrize("plugin", [GeminiTranscriber, GeminiAnnotator])
def test_the_key_is_nowhere_and_the_price_is_that_of_listening(plugin: type, make, song: Path):
    made = make(plugin)
    assert KEY not in repr(made) + str(made.options()) and made.estimate(song).cost_usd is None
    assert plugin().estimate(song).cost_usd == pytest.approx(3 * 32 * 0.75e-6)


@pytest.mark.parametrize("status", [401, 413, 500])
def test_refusals_name_service_and_song(status: int, provider: Provider, make, song: Path):
    provider.answer(status, {"error": {"message": f"no {KEY}", "status": "X"}})
    with pytest.raises(UserError) as caught:
        make().transcribe(song)
    assert "Gemini" in caught.value.problem and "my song.wav" in caught.value.problem and KEY not in str(caught.value)


def test_a_folders_lyrics_get_tags_once_and_a_changed_answer_leaves_the_file_alone(
    provider: Provider, make, song: Path
):
    lyrics = song.with_suffix(".lyrics.txt")
    lyrics.write_text(LYRICS, encoding="utf-8")
    provider.answer(200, says(lyrics=TAGGED.replace("roof", "rooftop")))
    provider.answer(200, says(lyrics=TAGGED))
    refused = process_folder(song.parent, transcriber=make(), add_tags=True)
    assert "changed words" in str(refused.problems[song.name][0]) and lyrics.read_text() == LYRICS
    assert process_folder(song.parent, transcriber=make(), add_tags=True).filled == {song.name: ("lyrics",)}
    assert lyrics.read_text() == TAGGED + "\n" and len(provider.received) == 2
    assert process_folder(song.parent, transcriber=make(), add_tags=True).kept == [song.name]
    assert len(provider.received) == 2
