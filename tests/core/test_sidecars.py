"""What is written beside a song, who may replace what, and how a scan reads it back."""

import json
from pathlib import Path

import pytest

from acestep_core import Dataset, Song, UserError, Value
from acestep_core.scan import scan_folder
from acestep_core.sidecars import Marks, Policy, checked, overwrite_fields, read_marks, write_labels
from acestep_core.testing.fakes import write_wav


@pytest.fixture
def song(tmp_path: Path) -> Song:
    write_wav(tmp_path / "a.wav", 0.5)
    return read(tmp_path)


def read(folder: Path) -> Song:
    return scan_folder(folder).songs[0]


def content(song: Song) -> dict:
    return json.loads(song.path.with_suffix(".json").read_text(encoding="utf-8"))


def test_values_go_where_the_tutorials_have_them_and_come_back_with_their_confidence(song):
    values = {"bpm": Value(92, 0.82), "caption": Value("slow bells", 0.9), "lyrics": Value("Rain\non me")}
    write_labels(song, values, "ears", {"ears": ["genre"]})
    assert song.path.with_suffix(".lyrics.txt").read_text() == "Rain\non me\n"
    assert song.path.with_suffix(".caption.txt").read_text() == "slow bells\n"
    assert content(song)["bpm"] == 92 and "caption" not in content(song)
    again = read(song.path.parent)
    assert (again.bpm, again.caption, again.lyrics) == (92, "slow bells", "Rain\non me")
    assert again.sources == song.sources == {"bpm": "ears 0.82", "caption": "ears 0.90", "lyrics": "ears"}
    assert again.confidence == song.confidence == {"bpm": 0.82, "caption": 0.9, "lyrics": None}
    assert not again.reviewed and not [n for n in again.notes if "not used" in n]
    assert read_marks(again).unknown == {"ears": ["genre"]}


def test_what_else_is_in_the_json_stays(song):
    song.path.with_suffix(".json").write_text('{"mood": "calm", "genre": "folk", "acestep": {"x": 1}}')
    write_labels(read(song.path.parent), {"bpm": Value(92)}, "ears")
    assert {k: v for k, v in content(song).items() if k != "acestep"} == {"mood": "calm", "genre": "folk", "bpm": 92}
    assert "genre" not in content(song)["acestep"]["sources"]


def test_a_value_changed_since_is_a_persons(song):
    write_labels(song, {"bpm": Value(92, 0.3), "lyrics": Value("Rain")}, "ears")
    assert any("bpm is a guess of ears 0.30: check it" in n for n in read(song.path.parent).notes)
    song.path.with_suffix(".json").write_text(json.dumps(content(song) | {"bpm": 93}))
    song.path.with_suffix(".lyrics.txt").write_text("Train")
    now = read(song.path.parent)
    assert now.sources == {"bpm": "a.json", "lyrics": "a.lyrics.txt"} and now.confidence == {} and not now.notes[1:]
    assert read_marks(now).giver(now, "bpm") is None


@pytest.mark.parametrize(
    ("marks", "policy", "asked"),
    [
        ({}, {}, False),
        ({}, {"overwrite": ("bpm",)}, True),
        ({}, {"overwrite": ("genre",)}, False),
        ({}, {"again": True}, False),
        ({"giver": "ears"}, {}, False),
        ({"giver": "ears"}, {"again": True}, True),
        ({"giver": "ears"}, {"overwrite": ("bpm",)}, False),
        ({"giver": "eyes"}, {"overwrite": ("bpm",)}, True),
        ({"giver": "ears", "reviewed": True}, {"again": True}, False),
        ({"giver": "ears", "reviewed": True}, {"overwrite": ("bpm",)}, True),
        ({"unknown": {"ears": ["bpm"]}}, {"overwrite": ("bpm",)}, False),
    ],
)
def test_who_may_replace_a_value(song, marks, policy, asked):
    giver = marks.get("giver")
    if giver:
        write_labels(song, {"bpm": Value(92)}, giver)
    else:
        song.set("bpm", 92, "a.json")
    made = read_marks(song)
    made.unknown, made.reviewed = marks.get("unknown", {}), {"bpm"} if "reviewed" in marks else set()
    assert Policy(("ears",), **policy).asks("ears", "bpm", song, made) is asked


def test_what_is_missing_is_asked_unless_that_plugin_did_not_know_it(song):
    unknown = Marks(unknown={"ears": ["bpm"]})
    assert Policy().asks("ears", "bpm", song, Marks()) and Policy().asks("eyes", "bpm", song, unknown)
    assert not Policy().asks("ears", "bpm", song, unknown) and Policy(again=True).asks("ears", "bpm", song, unknown)


@pytest.mark.parametrize("stronger", ["a.json", "t.csv"])
def test_a_replaced_caption_wins_over_where_the_old_one_was(song, stronger):
    folder = song.path.parent
    (folder / "t.csv").write_text("File,Caption\na.wav,old\n" if stronger == "t.csv" else "File\n")
    if stronger == "a.json":
        (folder / "a.json").write_text('{"caption": "old"}')
    write_labels(read(folder), {"caption": Value("new")}, "ears")
    assert read(folder).caption == "new" and (folder / "a.caption.txt").read_text() == "new\n"
    write_labels(read(folder), {"caption": Value("newer")}, "eyes")
    assert read(folder).caption == "newer" and read(folder).sources["caption"] == "eyes"


@pytest.mark.parametrize(
    "marks", ['"x"', "[]", "null", '{"sources": 5, "ids": [], "unknown": {"a": 1}, "confidence": 2}']
)
def test_marks_that_are_none_are_left_out(song, marks):
    song.path.with_suffix(".json").write_text(f'{{"bpm": 92, "acestep": {marks}}}')
    now = read(song.path.parent)
    assert not now.problems and now.sources == {"bpm": "a.json"} and read_marks(now) == Marks()


def test_answers_are_brought_into_the_models_words_or_told(song):
    given = {
        "bpm": Value("90.4", 1, ("180.8", 361, 90, "no")),
        "keyscale": Value("H"),
        "genre": 5,
        "caption": Value("x", 7),
        "lyrics": Value(""),
    }
    good, errors = checked(given, given, "ears")
    assert good == {"bpm": Value(90, 1.0, (181,))}
    assert [e.problem.split()[2] for e in errors] == ["caption", "genre", "keyscale"]


def test_a_dataset_file_keeps_confidence_and_review(song, tmp_path):
    write_labels(song, {"bpm": Value(92, 0.82)}, "ears")
    dataset = Dataset.scan(tmp_path)
    dataset.songs[0].reviewed = ["bpm"]
    dataset.save(tmp_path / "d.json")
    (loaded,) = Dataset.load(tmp_path / "d.json").songs
    assert (loaded.confidence, loaded.reviewed, loaded.sources["bpm"]) == ({"bpm": 0.82}, ["bpm"], "ears 0.82")


def test_fields_to_overwrite_are_named_or_all():
    assert overwrite_fields("bpm, lyrics") == ("bpm", "lyrics") and "caption" in overwrite_fields("all")
    assert overwrite_fields("") == ()
    with pytest.raises(UserError, match="no field 'tempo'"):
        overwrite_fields("bpm,tempo")


def test_timed_lyrics_beside_a_song_are_read_without_times(song):
    song.path.with_suffix(".lrc").write_text("[ti:x]\n[00:01.00]Rain")
    now = read(song.path.parent)
    assert (now.lyrics, now.sources["lyrics"]) == ("Rain", "a.lrc") and not [n for n in now.notes if "stamps" in n]
    song.path.with_suffix(".txt").write_text("[00:01.00]Snow\n[00:02.00]again")
    now = read(song.path.parent)
    assert now.lyrics == "Snow\nagain" and "a.txt: read without its 2 time stamps and headers" in now.notes
