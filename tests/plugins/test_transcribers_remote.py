"""OpenAI and ElevenLabs as transcribers, against a service on loopback that gives their published answers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from acestep_core import UserError
from acestep_core.languages import language_code
from acestep_core.testing.fakes import Provider, fake_provider, write_wav
from acestep_plugins.transcribers.elevenlabs import ElevenLabs
from acestep_plugins.transcribers.openai import OpenAi

KEY = "Sk-Very-Secret-1"
BOTH = pytest.mark.parametrize("plugin", [OpenAi, ElevenLabs])


@pytest.fixture
def provider() -> Iterator[Provider]:
    with fake_provider() as found:
        yield found


@pytest.fixture
def make(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    monkeypatch.setenv("TEST_KEY", KEY)
    made = []

    def make(plugin: type, **options: Any) -> Any:
        made.append(plugin(base_url=provider.url, key_env="TEST_KEY", **options))
        made[-1].service.sleep = lambda s: None
        return made[-1]

    yield make
    for thing in made:
        thing.close()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "my song.wav", 3.0)


def words(*entries: tuple[str, float, float]) -> list[dict]:
    return [{"word": w, "start": a, "end": b} for w, a, b in entries]


def fields(provider: Provider, number: int = 0) -> list[tuple[str, str]]:
    return [(n, v.decode()) for n, file, v in provider.received[number].form() if not file]


def test_openai_gets_the_file_and_the_fields_of_its_present_model(provider: Provider, make, song: Path):
    provider.answer(200, {"text": "La la, lo lo. Li!", "languages": [{"code": "en"}]})
    found = make(OpenAi, prompt="Lo").transcribe(song, language="en")
    asked = provider.received[0]
    assert (asked.method, asked.path) == ("POST", "/audio/transcriptions")
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert fields(provider) == [("model", "gpt-transcribe"), ("response_format", "json"), ("prompt", "Lo"),
                                ("languages[]", "en")]  # fmt: skip
    assert asked.form()[-1] == ("file", "audio.wav", song.read_bytes())
    assert (found.text, found.language, found.segments) == ("La la\nlo lo\nLi!", "en", ())


def test_openai_asks_a_whisper_for_times_and_joins_words_with_punctuation(provider: Provider, make, song: Path):
    segments = [{"text": " Rain on, the roof.", "start": 0.0, "end": 1.5}, {"text": " Go", "start": 1.6, "end": 2.5}]
    heard = words(("Rain", 0.1, 0.3), ("on", 0.3, 0.5), ("the", 0.6, 0.7), ("roof", 0.7, 1.0), ("Go", 1.7, 2.4))
    provider.answer(200, {"text": "…", "language": "english", "segments": segments, "words": heard})
    found = make(OpenAi, model="Systran/faster-whisper-large-v3").transcribe(song, language="en")
    assert [f for f in fields(provider) if f[0] != "model"] == [
        ("response_format", "verbose_json"), ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"), ("language", "en"),
    ]  # fmt: skip
    assert found.text == "Rain on\nthe roof\nGo" and found.language == "en"
    assert [(s.start_s, s.end_s, s.text) for s in found.segments] == [
        (0.1, 0.5, "Rain on"), (0.6, 1.0, "the roof"), (1.7, 2.4, "Go")]  # fmt: skip


@pytest.mark.parametrize(("answer", "text", "times"), [
    ({"text": "a b", "words": words(("a", 0, 1), ("b", 2.6, 3))}, "a\nb", [(0, 1), (2.6, 3)]),
    ({"text": "a b", "words": words(("a", 0, 1), ("b", 2.4, 3))}, "a b", [(0, 3)]),
    ({"text": "你好。世界", "words": words(("你好", 0, 1), ("世界", 1, 2))}, "你好\n世界", [(0, 1), (1, 2)]),
    ({"text": "10 men", "words": words(("ten", 0, 1), ("men", 1, 2))}, "10 men", [(1, 2)]),
    ({"text": "x", "segments": [{"text": " a, b.", "start": 1, "end": 2}], "words": None}, "a, b", [(1, 2)]),
    ({"text": "a", "words": [{"word": "a", "start": None}]}, "a", []),
    ({"text": "It's 3,000 miles... away"}, "It's 3,000 miles...\naway", []),
    ({"text": "", "segments": [], "words": []}, "", []),
])  # fmt: skip
def test_openai_lines_break_at_punctuation_and_pauses(answer, text, times, provider: Provider, make, song: Path):
    provider.answer(200, answer)
    found = make(OpenAi, words="yes").transcribe(song)
    assert found.text == text and found.language is None
    assert [(s.start_s, s.end_s) for s in found.segments] == times


def test_words_can_be_switched_off_for_a_whisper(provider: Provider, make, song: Path):
    provider.answer(200, {"text": "la"})
    make(OpenAi, model="whisper-1", words="no").transcribe(song)
    assert ("response_format", "json") in fields(provider)


def scribe(*entries: tuple[str, str, float | None, float | None]) -> dict:
    heard = [{"type": kind, "text": text, "start": a, "end": b} for kind, text, a, b in entries]
    return {"language_code": "jpn", "text": "as heard", "words": heard}


def test_elevenlabs_gets_its_fields_and_its_entries_are_joined_as_given(provider: Provider, make, song: Path):
    provider.answer(200, scribe(("word", "雨", 0.1, 0.5), ("word", "が。", 0.5, 0.9), ("spacing", " ", 0.9, 1.0),
                                ("audio_event", "(applause)", 1.0, 1.2), ("word", "Go", 1.2, 1.4),
                                ("spacing", " ", 1.4, 1.5), ("word", "on", None, None)))  # fmt: skip
    found = make(ElevenLabs, keyterms=["Sora", "Umi"]).transcribe(song, language="ja")
    asked = provider.received[0]
    assert (asked.path, asked.headers["xi-api-key"]) == ("/v1/speech-to-text", KEY)
    assert fields(provider) == [("model_id", "scribe_v2"), ("timestamps_granularity", "word"),
                                ("tag_audio_events", "false"), ("diarize", "false"), ("keyterms", "Sora"),
                                ("keyterms", "Umi"), ("language_code", "ja")]  # fmt: skip
    assert asked.form()[-1] == ("file", "audio.wav", song.read_bytes())
    assert (found.text, found.language) == ("雨が\nGo on", "ja")
    assert [(s.start_s, s.end_s) for s in found.segments] == [(0.1, 0.9), (1.2, 1.4)]


def test_elevenlabs_breaks_lines_at_pauses_though_a_space_fills_them(provider: Provider, make, song: Path):
    provider.answer(200, scribe(("word", "one", 0.0, 0.5), ("spacing", " ", 0.5, 2.5), ("word", "two", 2.5, 3.0)))
    assert make(ElevenLabs).transcribe(song).text == "one\ntwo"


def test_elevenlabs_hears_no_words_in_applause(provider: Provider, make, song: Path):
    provider.answer(200, scribe(("audio_event", "(applause)", 0.0, 3.0)))
    assert make(ElevenLabs).transcribe(song).text == ""


@BOTH
def test_a_long_song_goes_out_in_pieces_and_times_count_from_its_start(plugin, provider, make, tmp_path: Path):
    song = write_wav(tmp_path / "long.wav", 7.0)
    provider.answer(
        200, {"text": "one", "words": [{"word": "one", "text": "one", "type": "word", "start": 0.5, "end": 1}]}
    )
    found = make(plugin, longest_min=0.05, **({"words": "yes"} if plugin is OpenAi else {})).transcribe(song)
    starts = [s.start_s for s in found.segments]
    assert found.text == "one\none\none" and starts[0] == 0.5
    assert starts[1] == pytest.approx(0.5 + 7 / 3, abs=0.8) and starts[2] == pytest.approx(0.5 + 14 / 3, abs=0.8)
    assert {r.form()[-1][1] for r in provider.received} == {"audio.flac"} and len(provider.received) == 3
    assert make(plugin, longest_min=0.05).estimate(song).pieces == 3


@BOTH
def test_a_second_try_sends_every_field_again(plugin, provider: Provider, make, song: Path):
    provider.answer(500, {"error": "busy"})
    provider.answer(200, {"text": "la", "words": []})
    make(plugin).transcribe(song, language="en")
    assert provider.received[0].form() == provider.received[1].form()
    assert len(provider.received[1].form()) >= 4


@BOTH
@pytest.mark.parametrize(("status", "said"), [(401, "key"), (413, "too large"), (422, "cannot"), (429, "no more"),
                                              (408, "keeps failing")])  # fmt: skip
def test_refusals_are_one_sentence_with_service_and_song(plugin, status: int, said: str, provider, make, song: Path):
    provider.answer(status, {"detail": [{"loc": ["body"], "msg": f"no {KEY}"}]})
    with pytest.raises(UserError, match=said) as caught:
        make(plugin).transcribe(song)
    problem = caught.value.problem
    assert plugin.title in problem and "my song.wav" in problem and KEY not in str(caught.value)
    assert caught.value.hint


@BOTH
@pytest.mark.parametrize("answer", [b"{", {"words": 3}, {"text": None}, [1]])
def test_answers_of_another_shape_are_told(plugin, answer, provider: Provider, make, song: Path):
    provider.answer(200, answer)
    with pytest.raises(UserError, match="my song.wav"):
        make(plugin).transcribe(song)


@BOTH
def test_an_empty_text_is_a_song_without_words(plugin, provider: Provider, make, song: Path):
    provider.answer(200, {"text": ""})
    assert make(plugin).transcribe(song).text == ""


@BOTH
def test_the_key_is_in_no_option_and_no_repr(plugin, make):
    made = make(plugin)
    assert KEY not in repr(made) + str(made.options()) and made.options()["key_env"] == "TEST_KEY"


@BOTH
def test_a_key_given_as_the_name_of_its_variable_is_refused_without_showing_it(plugin):
    with pytest.raises(UserError, match="not the key") as caught:
        plugin(key_env=KEY)
    assert KEY not in str(caught.value)


@BOTH
@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://me:word@host/v1"])
def test_an_address_that_is_none_is_refused(plugin, url: str):
    with pytest.raises(UserError, match="base_url"):
        plugin(base_url=url)


def test_prices_are_known_for_the_services_own_models_only(song: Path):
    assert OpenAi().estimate(song).cost_usd == pytest.approx(0.0045 / 20)
    assert ElevenLabs(keyterms=["a"]).estimate(song).cost_usd == pytest.approx(0.22 / 60 / 20 * 1.2)
    assert OpenAi(base_url="http://localhost:1").estimate(song).cost_usd is None
    assert OpenAi(model="other").estimate(song).cost_usd is None


@pytest.mark.parametrize(("said", "code"), [
    ("english", "en"), ("Haitian Creole", "ht"), ("eng", "en"), ("en-US", "en"), ("zh_TW", "zh"), ("cmn", "zh"),
    ("yue", "yue"), ("nob", "no"), ("fil", "tl"), ("klingon", None), ("", None), (None, None), ("unknown", None),
])  # fmt: skip
def test_languages_are_understood_by_name_and_code(said: str | None, code: str | None):
    assert language_code(said) == code


def test_every_language_of_the_model_is_known_and_no_other():
    from acestep_core.languages import _CODES
    from acestep_core.prompts import LANGUAGES

    assert set(_CODES.values()) == set(LANGUAGES) - {"unknown"}
    assert all(language_code(code) == code for code in set(_CODES.values()))
