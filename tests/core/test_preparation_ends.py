"""Errors that every song would meet end the run; estimates of a plan; section tags put into lyrics of a folder."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from closed_registry import module_of

from acestep_core import Annotator, FatalError, Transcriber, Transcript, UserError, Value, process_folder
from acestep_core.preparation import Planned, plan_folder, wall_s_of
from acestep_core.scan import scan_folder
from acestep_core.section_tags import words_of
from acestep_core.sidecars import MARKS, Marks, read_marks
from acestep_core.testing.fakes import closed_registry, write_wav

LYRICS = "Rain on the roof\n\nSun again"
TAGGED = "[Verse]\nRain on the roof\n\n[Chorus]\nSun again"


class Service(Transcriber):
    """Its key is refused at the third song, until it is mended."""

    name = "service"
    at_once = 2
    asked, good = [], 2

    def transcribe(self, audio, *, language=None):
        self.asked.append(audio.stem)
        if len(self.asked) > self.good:
            raise FatalError("the key was refused (401)", "check MY_KEY")
        return Transcript(LYRICS, "en", confidence=0.25, language_confidence=0.75)

    def add_tags(self, audio, lyrics):
        self.asked.append(audio.stem)
        if audio.stem == "bad":
            return TAGGED.replace("roof", "rooftop")
        return TAGGED

    def estimate(self, audio):
        return SimpleNamespace(cost_usd=0.5, wall_s=60.0)


class Plain(Transcriber):
    name = "plain"

    def transcribe(self, audio, *, language=None):
        return Transcript(LYRICS)


class Bells(Annotator):
    name = "bells"

    def annotate(self, song, wanted):
        return {"caption": Value("bells")}


@pytest.fixture
def songs(tmp_path: Path) -> Callable[..., Path]:
    """songs("a", "b", lyrics=...) writes these."""
    Service.asked, Service.good = [], 2

    def write(*names: str, lyrics: str = "") -> Path:
        for number, name in enumerate(names):
            write_wav(tmp_path / f"{name}.wav", 0.1, rate_hz=8000, hz=200.0 + number)
            if lyrics:
                (tmp_path / f"{name}.lyrics.txt").write_text(lyrics, encoding="utf-8")
        return tmp_path

    return write


def run(folder: Path, transcriber="service", **request):
    hooks = {"acestep_transcribers": lambda: [Service, Plain], "acestep_annotators": lambda: [Bells]}
    return process_folder(folder, transcriber=transcriber, plugins=closed_registry(module_of(**hooks)), **request)


def song(folder: Path, name: str = "a"):
    return next(s for s in scan_folder(folder).songs if s.path.stem == name)


@pytest.fixture
def untouched(songs) -> Callable[[Path], dict[str, bytes]]:
    return lambda folder: {p.name: p.read_bytes() for p in folder.iterdir()}


def test_an_error_all_would_meet_ends_the_run_and_the_rest_is_not_asked(songs):
    folder = songs(*"abcdef")
    result = run(folder)
    assert str(result.ended) == "the key was refused (401); check MY_KEY"
    assert (sorted(result.filled), result.not_asked) == (["a.wav", "b.wav"], ["c.wav", "d.wav", "e.wav", "f.wav"])
    assert not result.problems and not result.stopped and Service.asked == ["a", "b", "c"]
    Service.good = 99
    again = run(folder)
    assert sorted(again.filled) == ["c.wav", "d.wav", "e.wav", "f.wav"] and not again.ended and not again.not_asked
    assert sorted(again.kept) == ["a.wav", "b.wav"]


def test_songs_under_way_end_and_are_told_as_not_asked_if_they_met_it_too(songs):
    folder, meeting = songs(*"abcdefgh"), threading.Barrier(3, timeout=20)

    class Refused(Transcriber):
        name = "refused"

        def transcribe(self, audio, *, language=None):
            meeting.wait()
            raise FatalError("refused")

    result = process_folder(folder, transcriber=Refused(), jobs=3)
    assert result.ended and len(result.not_asked) == 8 and not result.problems and not result.filled


def test_what_was_found_before_the_end_is_kept(songs):
    class Refused(Annotator):
        name = "refused"

        def annotate(self, song, wanted):
            raise FatalError("refused")

    result = process_folder(songs("a", "b"), annotators=[Bells(), Refused()], fields=["caption", "bpm"])
    assert result.filled == {"a.wav": ("caption",)} and result.not_asked == ["a.wav", "b.wav"]


def test_confidences_of_a_transcript_are_kept(songs):
    folder = songs("a")
    run(folder)
    assert song(folder).confidence == {"lyrics": 0.25, "language": 0.75}
    assert "lyrics is a guess of service 0.25: check it" in song(folder).notes


def planned(name: str, plugin: str, wall_s: float | None, at_once: int | None = None) -> Planned:
    return Planned(name, plugin, ("lyrics",), None, wall_s, at_once)


@pytest.mark.parametrize(("plan", "jobs", "wall_s"), [
    ([planned("a", "x", None)], 1, None), ([], 4, None),
    ([planned(n, "x", 10.0) for n in "abcd"], 1, 40.0), ([planned(n, "x", 10.0) for n in "abcd"], 2, 20.0),
    ([planned(n, "x", 10.0, at_once=1) for n in "abcd"], 4, 40.0),  # one model: jobs do not help
    ([planned("a", "x", 90.0), planned("b", "x", 10.0)], 4, 90.0),  # the longest song
    ([planned("a", "x", 10.0), planned("a", "y", 20.0), planned("b", "x", None)], 8, 30.0),  # one after the other
])  # fmt: skip
def test_the_time_of_a_plan_counts_songs_at_a_time(plan: list[Planned], jobs: int, wall_s: float | None):
    assert wall_s_of(plan, jobs) == wall_s


def test_a_plan_tells_cost_and_time_of_each(songs):
    plan = plan_folder(songs("a"), transcriber=Service())
    assert [(p.cost_usd, p.wall_s, p.at_once) for p in plan] == [(0.5, 60.0, 2)]
    assert plan_folder(songs("a"), transcriber=Plain())[0].wall_s is None


def test_add_tags_puts_tags_into_a_persons_lyrics_which_stay_theirs(songs):
    folder = songs("a", lyrics=LYRICS + "\n")
    result = run(folder, add_tags=True)
    assert result.filled == {"a.wav": ("lyrics",)} and (folder / "a.lyrics.txt").read_text() == TAGGED + "\n"
    found, marks = song(folder), read_marks(song(folder))
    assert words_of(found.lyrics) == LYRICS.split() and found.sources["lyrics"] == "a.lyrics.txt"
    assert marks.giver(found, "lyrics") is None and marks.tagger(found) == "service"
    assert "lyrics: the section tags are from service: check them" in found.notes


def test_tags_are_not_asked_for_twice_and_those_that_are_there_stay(songs, untouched):
    folder = songs("a", lyrics=LYRICS)
    write_wav(folder / "mine.wav", 0.1, hz=900.0)
    (folder / "mine.lyrics.txt").write_text("[Chorus]\nla")
    write_wav(folder / "silent.wav", 0.1, hz=950.0)
    run(folder, add_tags=True)
    before, Service.asked = untouched(folder), []
    result = run(folder, add_tags=True)
    assert Service.asked == [] and sorted(result.kept) == ["a.wav", "mine.wav", "silent.wav"]
    assert result.notes == ["No lyrics to put tags into: silent.wav"] and untouched(folder) == before


def test_an_answer_with_other_words_is_refused_and_the_file_left_alone(songs, untouched):
    folder = songs("a", "bad", lyrics=LYRICS)
    before = untouched(folder)["bad.lyrics.txt"]
    result = run(folder, add_tags=True)
    assert "service changed words" in str(result.problems["bad.wav"][0]) and set(result.filled) == {"a.wav"}
    assert untouched(folder)["bad.lyrics.txt"] == before and not (folder / "bad.json").exists()


def test_lyrics_a_plugin_gave_stay_that_plugins_when_they_get_tags(songs):
    folder = songs("a")
    run(folder, "plain")
    run(folder, add_tags=True)
    found, marks = song(folder), read_marks(song(folder))
    assert (marks.giver(found, "lyrics"), marks.tagger(found), found.lyrics) == ("plain", "service", TAGGED)
    (folder / "a.lyrics.txt").write_text(TAGGED + "\nmine")
    found = song(folder)
    assert read_marks(found).giver(found, "lyrics") is None and read_marks(found).tagger(found) is None


def test_a_stop_between_the_two_files_makes_a_plugins_lyrics_nobody_elses(songs):
    folder = songs("a")
    run(folder, "plain")
    before = (folder / "a.lyrics.txt").read_bytes()
    run(folder, add_tags=True)
    (folder / "a.lyrics.txt").write_bytes(before)  # as if killed before the text was written
    assert read_marks(song(folder)).giver(song(folder), "lyrics") == "plain"
    assert run(folder, add_tags=True).filled and song(folder).lyrics == TAGGED


def test_lyrics_in_another_file_stay_there_and_times_are_not_lost(songs, untouched):
    folder = songs("a", "b")
    (folder / "a.lrc").write_text("[00:01.00]Rain on the roof\n[00:02.00]Sun again")
    (folder / "b.lyrics.txt").write_text("[00:01.00]Rain on the roof\n[00:02.00]Sun again")
    before, result = untouched(folder), run(folder, add_tags=True)
    assert song(folder).lyrics.startswith("[Verse]") and set(result.filled) == {"a.wav"}
    assert "holds times" in str(result.problems["b.wav"][0]) and Service.asked == ["a"]
    assert all(untouched(folder)[name] == content for name, content in before.items())


def test_other_content_of_the_json_stays(songs):
    folder = songs("a", lyrics=LYRICS)
    (folder / "a.json").write_text('{"bpm": 90, "mine": 1}')
    run(folder, add_tags=True)
    content = json.loads((folder / "a.json").read_text())
    assert (content["bpm"], content["mine"]) == (90, 1) and Marks.of(content).sources == {"section_tags": "service"}
    assert set(content[MARKS]["ids"]) == {"section_tags"}


@pytest.mark.parametrize(("request_", "said"), [
    ({"transcriber": "plain"}, "'plain' cannot add section tags"),
    ({"annotators": ["bells"]}, "by a transcriber alone"),
    ({"again": True}, "keep them"), ({"overwrite": ["lyrics"]}, "keep them"),
])  # fmt: skip
def test_what_does_not_go_with_adding_tags_is_refused_before_anything_is_asked(request_: dict, said: str, songs):
    with pytest.raises(UserError, match=said):
        run(songs("a", lyrics=LYRICS), add_tags=True, **request_)
    assert not Service.asked
