"""Whisper through the real faster-whisper, with a model made here that says a script whatever it hears.

What is checked is the way from the file to the lyrics; how well released models hear songs is not.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny_speech import say, write_whisper

from acestep_core import FatalError, UserError, process_folder
from acestep_core.audio import probe
from acestep_core.scan import scan_folder
from acestep_plugins.transcribers.whisper import DOUBTFUL, Whisper, confidence, doubtful

pytest.importorskip("faster_whisper", reason="the extra 'whisper' is not installed")
pytest.importorskip("espeakng_loader", reason="there is no voice to speak with")

LINES = ["Rain on", "the roof", "Sun again"]


@pytest.fixture
def make(whisper_folder: Path) -> Iterator[Callable[..., Whisper]]:
    made = []

    def make(**options: Any) -> Whisper:
        made.append(Whisper(**{"model": str(whisper_folder), "device": "cpu", "threads": 1, "lonely_s": 0, **options}))
        return made[-1]

    yield make
    for thing in made:
        thing.close()


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few seconds of a voice, longer than the script lasts."""
    path = tmp_path_factory.mktemp("speech") / "my song.wav"
    soundfile.write(path, *say("Rain on the roof. Sun again, my love, we are singing in the morning."))
    return path


def test_speech_becomes_lines_with_times_inside_the_song_and_its_language(make, speech: Path):
    found = make().transcribe(speech)
    assert found.text.splitlines() == LINES and found.language == "de"
    assert found.confidence == pytest.approx(1.0, abs=0.01) and found.language_confidence == pytest.approx(1.0)
    assert [s.text for s in found.segments] == LINES
    times = [t for s in found.segments for t in (s.start_s, s.end_s)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= probe(speech).duration_s
    assert {type(t) for t in times} == {float}


def test_the_voice_detector_passes_over_what_is_no_voice(make, tmp_path: Path):
    rain = tmp_path / "rain.wav"
    soundfile.write(rain, np.random.default_rng(0).normal(0, 0.1, 4 * 16_000), 16_000)
    assert make().transcribe(rain).text == "" and make().transcribe(rain).language is None
    assert make(vad=False).transcribe(rain).text.splitlines() == LINES


def test_times_count_from_the_start_of_the_song_though_the_detector_cut_it(make, speech: Path, tmp_path: Path):
    wave, rate_hz = soundfile.read(speech)
    soundfile.write(tmp_path / "late.flac", [0.0] * 20 * rate_hz + list(wave), rate_hz)
    found = make().transcribe(tmp_path / "late.flac")
    assert found.text.splitlines() == LINES and found.segments[0].start_s > 18


def options_passed(whisper: Whisper, monkeypatch: pytest.MonkeyPatch, song: Path, language: str | None) -> dict:
    model, passed = whisper._once.get(), {}
    real = model.transcribe
    monkeypatch.setattr(model, "transcribe", lambda wave, **told: passed.update(told) or real(wave, **told))
    whisper.transcribe(song, language=language)
    return passed


def test_options_and_the_hint_reach_the_model(make, monkeypatch, speech: Path):
    given = make(beam_size=1, vad_threshold=0.2, prompt="Rain", lonely_s=3)
    passed = options_passed(given, monkeypatch, speech, "en-US")
    assert (passed["language"], passed["beam_size"], passed["initial_prompt"]) == ("en", 1, "Rain")
    assert (passed["vad_filter"], passed["vad_parameters"]) == (True, {"threshold": 0.2})
    assert (passed["hallucination_silence_threshold"], passed["word_timestamps"]) == (3, True)
    assert passed["condition_on_previous_text"] is False
    passed = options_passed(make(vad=False), monkeypatch, speech, None)
    assert (passed["language"], passed["vad_filter"], passed["initial_prompt"]) == (None, False, None)


def test_a_hint_is_believed_over_what_the_model_hears(make, speech: Path):
    assert make().transcribe(speech, language="fr").language == "fr"


def test_a_hint_the_model_does_not_know_is_told(make, speech: Path):
    with pytest.raises(UserError, match="does not know the language 'yue'"):
        make().transcribe(speech, language="yue")


def part(logprob: float = -0.1, compression: float = 1.5, silence: float = 0.1, tokens: int = 10) -> SimpleNamespace:
    return SimpleNamespace(
        avg_logprob=logprob, compression_ratio=compression, no_speech_prob=silence, tokens=[1] * tokens
    )


@pytest.mark.parametrize("odd", [part(logprob=-1.2), part(compression=2.5), part(silence=0.7)])
def test_words_that_bear_the_sign_of_an_invention_make_the_lyrics_a_guess(odd):
    assert doubtful(odd) and confidence([part(), part(), odd]) == DOUBTFUL < 0.5
    assert not doubtful(part()) and confidence([part(), part()]) > 0.9


def test_confidence_is_the_probability_of_the_words():
    assert confidence([part(0.0, tokens=30), part(-0.693147, tokens=10)]) == pytest.approx(0.875)


def test_a_model_that_goes_round_in_circles_is_a_guess_and_shown_as_one(tmp_path: Path, speech: Path):
    round_ = ["<|de|>", "<|transcribe|>", "<|0.00|>", *[" la", " di", " da"] * 15, "<|2.00|>", "<|endoftext|>"]
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "a.wav").write_bytes(speech.read_bytes())
    model = write_whisper(tmp_path / "model", round_)
    told = {"model": str(model), "device": "cpu", "threads": 1, "lonely_s": 0}
    result = process_folder(tmp_path / "songs", transcriber="whisper", options={"whisper": told})
    song = scan_folder(tmp_path / "songs").songs[0]
    assert result.filled == {"a.wav": ("lyrics", "language")} and song.confidence["lyrics"] == DOUBTFUL
    assert "lyrics is a guess of whisper 0.30: check it" in song.notes


def test_the_model_is_loaded_once_by_several_threads_and_let_go_of(make, speech: Path, monkeypatch):
    import faster_whisper

    loads, real = [], faster_whisper.WhisperModel
    monkeypatch.setattr(faster_whisper, "WhisperModel", lambda *a, **k: loads.append(a) or real(*a, **k))
    whisper = make()
    with ThreadPoolExecutor(3) as pool:
        texts = {t.text for t in pool.map(whisper.transcribe, [speech] * 4)}
    assert len(loads) == 1 and texts == {"\n".join(LINES)}
    whisper.close()
    assert whisper.transcribe(speech).text and len(loads) == 2


def test_a_missing_package_is_told_with_the_command_that_installs_it(make, speech: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(FatalError, match="faster-whisper") as caught:
        make().transcribe(speech)
    assert caught.value.hint == 'pip install "acestep-core[whisper]"'


@pytest.mark.parametrize(("options", "said"), [
    ({"model": "./no-such-folder"}, "There is no folder"),
    ({"model": "no-such-size"}, "cannot load the model 'no-such-size'"),
    ({"model": "large-v3", "offline": True}, "cannot load the model 'large-v3'"),
    ({"compute_type": "int3"}, "cannot load the model"),
])  # fmt: skip
def test_a_model_that_cannot_be_loaded_ends_the_run(
    options: dict, said: str, make, speech: Path, tmp_path, monkeypatch
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FatalError, match=said) as caught:
        make(**options).transcribe(speech)
    assert caught.value.hint and "\n" not in caught.value.problem


def test_a_folder_without_a_tokenizer_is_refused_instead_of_fetching_one(make, whisper_folder, speech, tmp_path):
    for name in ("model.bin", "config.json"):
        (tmp_path / name).symlink_to(whisper_folder / name)
    with pytest.raises(FatalError, match=r"has no tokenizer\.json"):
        make(model=str(tmp_path)).transcribe(speech)


def test_a_time_is_estimated_where_the_size_is_known(make, speech: Path):
    seconds = probe(speech).duration_s
    small, large = (make(model=m, compute_type="int8").estimate(speech) for m in ("base", "large-v3"))
    assert small.wall_s == pytest.approx(seconds / 24) and large.wall_s > 15 * small.wall_s
    assert make().estimate(speech).wall_s is None and small.cost_usd is None
