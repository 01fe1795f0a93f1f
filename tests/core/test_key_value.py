"""`key: value` text files beside songs: read when said so, and never taken for lyrics."""

import pytest

from acestep_core import Dataset
from acestep_core.key_value import looks_like_key_values, read_key_values

FIELDS = """caption: a slow waltz: accordion, strings
Tempo: 92.4
key: Dm
sig: 3/4
lang: en
trigger: mytag
prompt_override: genre
genre: folk
duration: 10
is_instrumental: false
lyrics:
[Verse]
caption: is no key down here
"""


@pytest.fixture
def waltz(songs_dir):
    """A folder with one song, whose labels are in a text file."""
    for path in songs_dir.iterdir():
        if path.name != "harbour_waltz.flac":
            path.unlink()
    (songs_dir / "harbour_waltz.txt").write_text(FIELDS, encoding="utf-8-sig")
    return songs_dir


def test_all_keys_and_their_other_names_are_read(waltz):
    (song,) = Dataset.scan(waltz, txt="fields").songs
    assert not song.problems
    assert (song.caption, song.genre, song.bpm) == ("a slow waltz: accordion, strings", "folk", 92)
    assert (song.keyscale, song.timesignature, song.language) == ("D minor", "3", "en")
    assert (song.custom_tag, song.prompt_override) == ("mytag", "genre")
    assert song.lyrics == "[Verse]\ncaption: is no key down here"
    assert song.sources["bpm"] == "harbour_waltz.txt" and any("duration" in n for n in song.notes)


@pytest.mark.parametrize("txt", ["lyrics", "caption"])
def test_without_the_word_for_it_such_a_file_is_a_problem_and_not_lyrics(waltz, txt):
    (song,) = Dataset.scan(waltz, txt=txt).songs
    assert "--txt fields" in str(song.problems[0]) and (song.lyrics, song.caption) == ("", "")


def test_files_of_their_own_win(waltz):
    (waltz / "harbour_waltz.lyrics.txt").write_text("others")
    (waltz / "harbour_waltz.json").write_text('{"bpm": 100}')
    (waltz / "key.csv").write_text("File,BPM,Key\nharbour_waltz.flac,70,A\n")
    (song,) = Dataset.scan(waltz, txt="fields").songs
    assert (song.lyrics, song.bpm, song.keyscale) == ("others", 100, "D minor")


def test_a_line_without_a_key_is_a_problem_that_names_it(waltz):
    (waltz / "harbour_waltz.txt").write_text("caption: x\nmood: sad\n")
    (song,) = Dataset.scan(waltz, txt="fields").songs
    assert "line 2 'mood: sad'" in str(song.problems[0]) and "timesignature" in song.problems[0].remedy


@pytest.mark.parametrize("line", ["prompt_override: both", "is_instrumental: maybe", "bpm: fast"])
def test_values_that_cannot_be_used_are_problems(waltz, line):
    (waltz / "harbour_waltz.txt").write_text(f"caption: x\n{line}\n")
    (song,) = Dataset.scan(waltz, txt="fields").songs
    assert line.partition(": ")[2] in str(song.problems[0])


def test_an_instrumental_says_so(waltz):
    (waltz / "harbour_waltz.txt").write_text("caption: x\nis_instrumental: true\n")
    (song,) = Dataset.scan(waltz, txt="fields").songs
    assert song.instrumental and "lyrics" in song.sources


def test_a_key_given_twice_keeps_the_first_and_is_told():
    read = read_key_values("bpm: 90\ntempo: 100\n")
    assert read.values == {"bpm": "90"} and read.odd == ["line 2 'tempo: 100'"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (FIELDS, True), ("caption: x", True), ("\n\nbpm: 90\nkey: A\n", True),
        ("Verse 1: the night\nI walked alone", False), ("Key: to my heart\nyou lost it", False), ("", False),
        ("a waltz, tempo: slow", False), ("[Intro]\nbpm: 90", False),
    ],
)  # fmt: skip
def test_lyrics_and_captions_do_not_look_like_labels(text, labels):
    assert looks_like_key_values(text) is labels
