"""Clips thought through before they are made: lengths, what was given, languages, batches, and what makes no sense."""

import json

import pytest

from acestep_core import UserError
from acestep_core.codes import read_codes
from acestep_core.data import Song
from acestep_core.lm.requests import LmSettings
from acestep_core.lm.thinking import Thinking, before_thinking, think
from acestep_core.request import GenerateRequest
from acestep_core.tasks import Cover, Text2Music

THINK = Thinking(think=True, cot_caption=False)


@pytest.fixture(scope="module")
def lm(tiny_model):
    return tiny_model.lm


@pytest.fixture(scope="module")
def tiny_model(tiny):
    from acestep_core import load_backend

    return load_backend("pt", model=tiny, device="cpu")


def test_the_plan_fills_what_is_missing_and_keeps_what_was_given(lm):
    asked = GenerateRequest(caption="bells", duration_s=10, bpm=77, keyscale="c MAJOR", seed=3)
    thought = think(lm, [asked], THINK, LmSettings())[0]
    made = thought.request
    assert (made.bpm, made.keyscale, made.caption, made.seed) == (77, "C major", "bells", 3)
    assert made.timesignature and made.duration_s is None
    assert len(read_codes(made.task.codes)) == 50
    assert thought.record["origins"] == {
        "bpm": "user", "duration_s": "user", "keyscale": "user", "language": "model", "timesignature": "model"
    }  # fmt: skip
    assert before_thinking(thought.record, made) == asked


def test_metas_alone_leave_the_music_to_the_model(lm):
    asked = GenerateRequest(caption="bells", language="en", seed=3)
    made = think(lm, [asked], Thinking(cot_metas=True), LmSettings())[0].request
    assert made.bpm and made.duration_s and made.task == Text2Music() and made.language == "en"
    other = think(lm, [asked], Thinking(cot_language=True, think=False, cot_caption=True), LmSettings())[0].request
    assert other.bpm is None and other.caption != "bells" and other.language == "en"


def test_each_of_a_batch_is_planned_by_its_own_seed(lm):
    asked = [GenerateRequest(caption="bells", duration_s=10, seed=s) for s in (1, 2, 1)]
    first, second, third = (t.request for t in think(lm, asked, THINK, LmSettings()))
    assert first == third != second
    assert first == think(lm, asked[:1], THINK, LmSettings())[0].request


def test_those_that_take_turns_say_what_they_say_together(lm):
    asked = [GenerateRequest(caption="bells", duration_s=d, seed=s) for s, d in ((1, 10), (2, 12), (3, 10))]
    heard = []
    turns = think(lm, asked, THINK, LmSettings(), at_once=2, on_token=lambda *told: heard.append(told))
    assert turns == think(lm, asked, THINK, LmSettings())
    assert {(s, i) for s, i, _, _ in heard} == {(s, i) for s in ("plan", "codes") for i in range(3)}
    assert max(n for s, i, n, _ in heard if (s, i) == ("codes", 1)) == 61


def test_a_seed_is_chosen_and_kept(lm):
    made = think(lm, [GenerateRequest(duration_s=10)], THINK, LmSettings())[0].request
    again = think(lm, [GenerateRequest(duration_s=10, seed=made.seed)], THINK, LmSettings())[0].request
    assert made == again


@pytest.mark.parametrize(
    ("request_", "thinking", "problem"),
    [
        (GenerateRequest(task=Cover()), THINK, "does nothing for cover"),
        (GenerateRequest(task=Text2Music(codes="1,2")), THINK, "does nothing with --codes"),
        (GenerateRequest(duration_s=6), THINK, "knows no song of 6 s"),
        (GenerateRequest(duration_s=10.3), THINK, "10.3 s is no number of audio codes"),
        (GenerateRequest(language="en"), Thinking(cot_language=True), "nothing left"),
        (GenerateRequest(keyscale="H"), THINK, "keyscale 'H'"),
    ],
)
def test_what_cannot_be_thought_through_is_told(lm, request_, thinking, problem):
    with pytest.raises(UserError, match=problem):
        think(lm, [request_], thinking, LmSettings())


@pytest.mark.slow
def test_generate_thinks_and_makes_it_again_without_the_language_model(tiny, cli, tmp_path, monkeypatch):
    out = tmp_path / "a.wav"
    say = ("generate", "--model", tiny, "--caption", "bells", "--no-cot-caption", "--think", "--duration", "10")
    done = cli(*say, "--seed", "3", "-o", out)
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "a.wav.json").read_text())
    assert record["audio"]["samples"] == 480_000 and record["plan"]["asked"]["duration_s"] == 10
    assert record["plan"]["backend"] == "pt" and record["plan"]["model"]["folder"].startswith("acestep-5Hz-lm")
    there = cli(*say, "--seed", "3", "-o", out, "--resume")
    assert "is there already" in there.out
    monkeypatch.setattr("acestep_core.model.Model.lm", property(lambda self: pytest.fail("asked again")))
    again = cli("generate", "--model", tiny, "--from", f"{out}.json", "-o", tmp_path / "b.wav")
    assert again.code == 0 and "samples equal" in again.err
    assert out.read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (("--lm-cfg", "3"), "--lm-cfg does nothing without --think"),
        (("--lm", "4B"), "--lm does nothing without --think"),
        (("--think", "--lm", "4B"), "none is '4B'"),
        (("--think", "--lm-backend", "nobody"), "nobody"),
    ],
)
def test_options_without_effect_are_told(tiny, cli, said, problem):
    done = cli("generate", "--model", tiny, "--caption", "a", *said)
    assert done.code == 1 and problem in done.err and "Traceback" not in done.err


def test_a_folder_without_a_language_model_is_told(tiny, cli, tmp_path):
    for part in tiny.iterdir():
        if "lm" not in part.name:
            (tmp_path / part.name).symlink_to(part)
    done = cli("generate", "--model", tmp_path, "--caption", "a", "--think")
    assert done.code == 1 and "models download acestep-5Hz-lm-1.7B" in done.err


def test_the_annotator_leaves_tempo_and_key_to_those_who_measure(tiny, tmp_path):
    import numpy as np
    import soundfile

    from acestep_plugins.annotators.lm import LanguageModel

    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, (96_000, 2)), 48_000)
    song = Song(tmp_path / "a.wav")
    wanted = ("caption", "genre", "language", "bpm", "keyscale")
    assert set(LanguageModel(model=str(tiny)).annotate(song, wanted)) <= {"caption", "genre", "language"}
    guessing = LanguageModel(model=str(tiny), guesses=True)
    found = guessing.annotate(song, wanted)
    assert found["bpm"].confidence == found["keyscale"].confidence == 0.1
    song.set("bpm", 90, "tempo_key")
    assert "bpm" not in guessing.annotate(song, wanted)
    guessing.close()
