"""A folder is worked through song by song: who is asked for what, what happens to failures, stops and reruns."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from closed_registry import module_of

from acestep_core import Annotator, Transcriber, Transcript, UserError, Value, option, process_folder
from acestep_core.preparation import PrepareResult, plan_folder
from acestep_core.reviewing import set_by_user
from acestep_core.scan import scan_folder
from acestep_core.testing.fakes import closed_registry, write_wav

asked: list[tuple] = []


class Ears(Transcriber):
    name = "ears"
    words: str = option("[00:01.00]Rain", "what it hears")

    def transcribe(self, audio, *, language=None):
        asked.append((self.name, audio.name, language))
        if audio.stem == "bad":
            raise UserError("the service is away", "try later")
        return Transcript(self.words, "en")

    def close(self):
        asked.append(("closed",))


class Tempo(Annotator):
    """Knows the tempo, is not sure of the key, and nothing else."""

    name = "tempo"
    bpm: int = option(92, "what it says")

    def annotate(self, song, wanted):
        asked.append((self.name, song.path.name, tuple(wanted)))
        return {"bpm": Value(self.bpm, 0.9), "keyscale": Value("C minor", 0.2), "mood": Value("calm")}

    def estimate(self, audio):
        return SimpleNamespace(cost_usd=0.25)


class Writer(Annotator):
    name = "writer"

    def annotate(self, song, wanted):
        asked.append((self.name, song.path.name, tuple(wanted)))
        if song.path.stem == "bug":
            raise ZeroDivisionError("no bells")
        sure = 7 if song.path.stem == "odd" else 1
        return {"caption": Value("bells"), "bpm": Value(111), "genre": Value("folk", sure)}


@dataclass
class Folder:
    path: Path

    def run(self, **request) -> PrepareResult:
        return process_folder(self.path, plugins=plugins(), **request)

    def song(self, name: str):
        return next(s for s in scan_folder(self.path).songs if s.path.name == f"{name}.wav")


def plugins():
    hooks = {"acestep_transcribers": lambda: [Ears], "acestep_annotators": lambda: [Tempo, Writer]}
    return closed_registry(module_of(**hooks))


@pytest.fixture
def songs(tmp_path: Path) -> Callable[..., Folder]:
    """songs("a", "b") writes these."""
    asked.clear()

    def write(*names: str) -> Folder:
        for number, name in enumerate(names):
            write_wav(tmp_path / f"{name}.wav", 0.1, rate_hz=8000, hz=200.0 + number)
        return Folder(tmp_path)

    return write


def test_lyrics_are_cleaned_written_and_their_language_too(songs):
    result = songs("a", "b").run(transcriber="ears", language="EN", options={"transcriber": {"words": "[00:01]Snow"}})
    assert result.filled == dict.fromkeys(("a.wav", "b.wav"), ("lyrics", "language")) and not result.problems
    song = scan_folder(result.folder).songs[0]
    assert (song.lyrics, song.language, song.sources["lyrics"]) == ("Snow", "en", "ears")
    assert asked[:2] == [("ears", "a.wav", "en"), ("ears", "b.wav", "en")] and asked[-1] == ("closed",)


def test_a_language_that_a_person_took_away_does_not_come_back_with_the_lyrics(songs):
    folder = songs("a", "b")
    set_by_user(folder.song("a"), "language", "")
    folder.run(transcriber="ears")
    assert (folder.song("a").language, folder.song("b").language) == ("unknown", "en")


def test_the_first_annotator_that_knows_a_field_fills_it(songs):
    result = songs("a").run(annotators=["tempo", "writer"])
    assert result.filled == {"a.wav": ("bpm", "keyscale", "caption", "genre")}
    song = scan_folder(result.folder).songs[0]
    assert (song.bpm, song.caption, song.keyscale) == (92, "bells", "C minor")
    assert "keyscale is a guess of tempo 0.20: check it" in song.notes
    assert asked == [
        ("tempo", "a.wav", ("caption", "genre", "bpm", "keyscale", "timesignature", "language")),
        ("writer", "a.wav", ("caption", "genre", "timesignature", "language")),
    ]


def test_the_order_holds_when_everything_is_asked_again(songs):
    folder = songs("a")
    folder.run(annotators=["writer"], fields=["bpm"])
    assert folder.song("a").bpm == 111
    result = folder.run(annotators=["tempo", "writer"], fields=["bpm"], again=True)
    assert result.filled == {"a.wav": ("bpm",)} and folder.song("a").bpm == 92


def test_nothing_is_asked_twice(songs):
    folder = songs("a", "b")
    folder.run(transcriber="ears", annotators=["tempo"])
    before = {p: p.read_bytes() for p in folder.path.iterdir()}
    asked.clear()
    result = folder.run(transcriber="ears", annotators=["tempo"])
    assert sorted(result.kept) == ["a.wav", "b.wav"] and not result.filled and asked == [("closed",)]
    assert {p: p.read_bytes() for p in folder.path.iterdir()} == before


def test_silence_is_asked_about_once_and_again_with_other_options(songs):
    folder = songs("a")
    for words, expected in (("", 1), ("", 1), ("la", 2)):
        folder.run(transcriber="ears", options={"ears": {"words": words}})
        assert len([a for a in asked if a[0] == "ears"]) == expected
    assert folder.song("a").lyrics == "la"


def test_one_song_that_fails_costs_the_others_nothing_and_is_tried_again(songs):
    folder = songs("a", "bad", "c")
    result = folder.run(transcriber="ears", annotators=["tempo"])
    assert str(result.problems["bad.wav"][0]) == "the service is away; try later"
    assert set(result.filled) == {"a.wav", "c.wav"}
    asked.clear()
    assert folder.run(transcriber="ears", annotators=["tempo"]).problems
    assert asked == [("ears", "bad.wav", None), ("closed",)]


def test_what_was_found_before_a_failure_is_kept(songs):
    folder = songs("bug", "odd")
    result = folder.run(annotators=["tempo", "writer"])
    assert "ZeroDivisionError: no bells" in str(result.problems["bug.wav"][0])
    assert "confidence 7" in str(result.problems["odd.wav"][0])
    assert folder.song("bug").bpm == folder.song("odd").bpm == 92 and folder.song("odd").caption == "bells"
    asked.clear()
    folder.run(annotators=["tempo", "writer"])
    assert asked[1] == ("writer", "odd.wav", ("genre",)) and not [a for a in asked if a[0] == "tempo"]


def test_what_a_person_wrote_stays_unless_told(songs):
    folder = songs("a")
    (folder.path / "a.json").write_text('{"bpm": 70}')
    folder.run(annotators=["tempo"])
    assert folder.song("a").bpm == 70
    folder.run(annotators=["tempo"], again=True)
    assert folder.song("a").bpm == 70
    folder.run(annotators=["tempo"], overwrite=["bpm"])
    assert folder.song("a").bpm == 92
    asked.clear()
    folder.run(annotators=["tempo", "writer"], overwrite="bpm", fields=["bpm"])
    assert asked == []
    folder.run(annotators=["tempo"], again=True, options={"annotator": {"bpm": 93}})
    assert folder.song("a").bpm == 93


def test_a_plugin_that_exits_ends_neither_the_run_nor_the_program(songs):
    class Exits(Annotator):
        name = "exits"

        def annotate(self, song, wanted):
            raise SystemExit(3)

        def close(self):
            raise SystemExit(3)

    result = songs("a", "b").run(annotators=[Exits()])
    assert "SystemExit: 3" in str(result.problems["b.wav"][0]) and len(result.problems) == 2
    assert result.notes == ["exits failed while it was closed: SystemExit: 3"]


def test_songs_that_cost_nothing_are_told_first(songs):
    folder = songs("a", "bad", "c")
    folder.run(transcriber="ears")
    told = []
    folder.run(transcriber="ears", on_song=lambda done: told.append((done.song.path.stem, done.number, done.what)))
    assert told == [("a", 1, "kept"), ("c", 2, "kept"), ("bad", 3, "failed")]


def test_songs_with_problems_are_left_out_and_told(songs):
    folder = songs("a")
    (folder.path / "broken.wav").write_bytes(b"x")
    result = folder.run(transcriber="ears")
    assert set(result.problems) == {"broken.wav"} and set(result.filled) == {"a.wav"}


def test_several_songs_are_worked_on_at_a_time(songs):
    meeting = threading.Barrier(3, timeout=20)

    class Together(Annotator):
        name = "together"

        def annotate(self, song, wanted):
            meeting.wait()
            return {"bpm": Value(90)}

    result = songs("a", "b", "c").run(annotators=[Together()], jobs=3)
    assert not result.problems and len(result.filled) == 3


def test_ctrl_c_ends_the_song_begun_and_begins_no_other(songs):
    folder = songs(*"abcdefgh")

    class Slow(Annotator):
        name = "slow"

        def annotate(self, song, wanted):
            time.sleep(0.05)
            return {"bpm": Value(90)}

    def press(done):
        if done.number == 2:
            raise KeyboardInterrupt

    result = folder.run(annotators=[Slow()], on_song=press)
    done = [s for s in scan_folder(folder.path).songs if s.bpm == 90]
    assert result.stopped and 2 <= len(result.filled) == len(done) < 8
    assert len(folder.run(annotators=[Slow()]).filled) == 8 - len(done)


def test_a_plan_asks_nobody_and_adds_up_the_cost(songs):
    folder = songs("a", "b")
    (folder.path / "a.json").write_text('{"bpm": 70}')
    plan = plan_folder(folder.path, transcriber="ears", annotators=["tempo"], fields=["bpm"], plugins=plugins())
    assert [(p.name, p.plugin, p.fields, p.cost_usd) for p in plan] == [
        ("a.wav", "ears", ("lyrics",), None), ("b.wav", "ears", ("lyrics",), None), ("b.wav", "tempo", ("bpm",), 0.25),
    ]  # fmt: skip
    assert asked == [("closed",)] and sorted(p.name for p in folder.path.iterdir()) == ["a.json", "a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({}, "nobody to ask"),
        ({"transcriber": "nose"}, "no transcriber 'nose'"),
        ({"annotators": ["tempo"], "overwrite": ["tempo"]}, "no field 'tempo'"),
        ({"annotators": ["tempo"], "fields": ["lyrics"]}, "no field 'lyrics'"),
        ({"transcriber": "ears", "language": "klingon"}, "language 'klingon'"),
        ({"annotators": ["tempo"], "options": {"writer": {}}}, "No plugin here reads the options 'writer'"),
        ({"annotators": ["tempo"], "options": {"tempo": {"speed": 1}}}, "has no option 'speed'"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_before_anything_is_asked(songs, request_, problem):
    with pytest.raises(UserError, match=problem):
        songs("a").run(**request_)
    assert not [a for a in asked if a != ("closed",)]
