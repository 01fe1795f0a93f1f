"""What statistics, audit and advice find in captions that were written for it."""

from pathlib import Path

import pytest

from acestep_core import Song, UserError
from acestep_core.tags import meaning
from acestep_core.tags.advice import advise
from acestep_core.tags.audit import audit
from acestep_core.tags.folder import Captions, Tagged
from acestep_core.tags.statistics import statistics


def songs(*captions: str, **fields) -> list[Tagged]:
    made = []
    for number, caption in enumerate(captions):
        song = Song(Path(f"{number}.wav"), caption=caption, **fields)
        made.append(Tagged(song, song.path.name, caption))
    return made


def kinds(found, kind):
    return [f.text for f in found if f.kind == kind]


def test_a_tag_counts_once_per_song_in_its_most_frequent_spelling():
    found = statistics(songs("Piano, piano, pop", "piano", "piano, pop. It rains, and more.", ""))
    assert [(c.tag, len(c.songs), c.spellings) for c in found.tags] == [
        ("piano", 3, ("Piano", "piano")), ("pop", 2, ("pop",))]  # fmt: skip
    assert found.share(found.tags[0]) == 1 and found.without_caption == ["3.wav"]
    assert found.with_sentences == ["2.wav"] and found.together == [("piano", "pop", 2)]


def test_spellings_of_one_tag_are_told_with_the_edit():
    plurals = songs("Piano, guitars", "piano, guitar", "piano, guitar")
    found = [*audit(plurals), *audit(songs("syntesizer, lofi", *["synthesizer, lo-fi"] * 2))]
    alike = {f.command for f in found if f.kind == "alike"}
    assert alike == {
        "replace Piano piano",
        "replace guitars guitar",
        "replace syntesizer synthesizer",
        "replace lofi lo-fi",
    }
    assert "'guitars' (1 song) and 'guitar' (2 songs) are singular and plural" in kinds(found, "alike")


@pytest.mark.parametrize(
    "pair",
    [
        ("80s rock", "90s rock"),
        ("C major", "G major"),
        ("120 bpm", "121 bpm"),
        ("female vocal", "male vocal"),
        ("bass", "brass"),
    ],
)
def test_different_tags_are_not_alike(pair):
    assert not kinds(audit(songs(*pair)), "alike")


@pytest.mark.parametrize(
    ("caption", "fields", "said"),
    [
        ("120 bpm", {"bpm": 90}, "'120 bpm' but bpm is 90"),
        ("121 BPM", {"bpm": 120}, None),
        ("C major", {"keyscale": "C minor"}, "its key is C minor"),
        ("key: C# min", {"keyscale": "C# minor"}, None),
        ("3/4 time", {"timesignature": "4"}, "its metre is 4"),
        ("instrumental", {"lyrics": "Rain"}, "it has lyrics"),
        ("instrumental", {"lyrics": "[Instrumental]"}, None),
        ("female vocal", {"lyrics": "[Instrumental]"}, "its lyrics say [Instrumental]"),
        ("female vocal", {}, None),
        ("vocal chops", {"lyrics": "[Instrumental]"}, None),
        ("japanese vocals", {"language": "en"}, "its language is en"),
        ("japanese city pop", {"language": "en"}, None),
        ("male vocal, female vocal", {}, "'male vocal' and 'female vocal' exclude"),
        ("male vocal, female vocal, duet", {}, None),
        ("male and female vocals, female vocal", {}, None),
        ("女声，男声", {}, "exclude"),
        ("instrumental, soft vocals", {}, "exclude"),
        ("no vocals, instrumental", {}, None),
        ("slow, fast", {}, "exclude"),
        ("C major, A minor", {}, "exclude"),
        ("90 bpm, 120 bpm", {}, "exclude"),
        ("4/4, 3/4", {}, "exclude"),
        ("slow, sad, piano", {}, None),
    ],
)
def test_contradictions(caption, fields, said):
    found = kinds(audit(songs(caption, **fields)), "contradiction")
    assert [said in text for text in found] == ([True] if said else [])


def test_tags_in_nearly_all_songs_and_in_one_and_captions_that_are_empty_or_long():
    found = audit(songs("pop, a1", *["pop, dark"] * 5, "", ", ".join(f"tag number {i}" for i in range(90))))
    assert kinds(found, "constant") == [] and "'a1' is in one song alone" in kinds(found, "single")
    assert kinds(found, "empty") == ["1 of 8 songs have no caption"] and len(kinds(found, "long")) == 1
    found = audit(songs("pop, a1", *["pop, dark"] * 5))
    assert [t.split(":")[0] for t in kinds(found, "constant")] == ["'pop' is in 6 of 6 captions"]
    assert not kinds(audit(songs("pop", "pop")), "constant")


@pytest.mark.parametrize(
    ("tag", "voices"),
    [
        ("female vocals", {"female voice", "voice"}),
        ("male singer", {"male voice", "voice"}),
        ("women's choir", {"female voice", "voice"}),
        ("女声", {"female voice", "voice"}),
        ("rap", {"voice"}),
        ("instrumental", {"no voice"}),
        ("instrumental hip hop", set()),
        ("trap", set()),
        ("singalong chorus", set()),
    ],
)
def test_what_a_tag_says_about_voices(tag, voices):
    assert meaning.voices_of(tag) == voices


def advice(*captions, trigger="zxc", custom="", **fields):
    made = songs(*captions, **fields)
    return advise(Captions(Path("songs"), "lyrics", made, trigger=custom), trigger)


def test_constant_traits_go_and_what_varies_stays():
    found = advice(*["zxc, tape noise, piano, female vocal"] * 5, *["zxc, tape noise, guitar, female vocal"] * 5)
    said = {a.tag: (a.action, a.command) for a in found}
    assert said["tape noise"] == ("delete", "remove 'tape noise'")
    assert said["piano"] == ("keep", "") == said["guitar"] and said["female vocal"] == ("keep", "")
    assert "zxc" not in said
    assert all(a.reason and "\n" not in a.reason for a in found)


def test_what_stands_in_fields_or_in_one_song_or_is_said_twice():
    found = {a.tag: a for a in advice("zxc, 120 bpm, hat, straw hat, kazoo", "zxc, C major, piano", "piano", "zxc, x")}
    assert found["120 bpm"].action == found["C major"].action == "delete" and "the tempo" in found["120 bpm"].reason
    assert found["hat"].action == "delete" and found["hat"].command == "remove hat --where 'name=\"0.wav\"'"
    assert found["kazoo"].action == "check" and found["piano"].action == "keep"


def test_the_trigger_is_added_and_put_first():
    found = advice("pop", "x, zxc", "zxc, y")
    added, late = [a for a in found if a.tag == "zxc"]
    assert (added.action, added.songs, added.command) == ("add", ("0.wav",), "add zxc --position start")
    assert (late.songs, late.command) == (("1.wav",), "sort --by none --trigger zxc")
    (doubled,) = [a for a in advice("pop", "zxc, y", custom="zxc") if a.tag == "zxc"]
    assert doubled.action == "delete" and doubled.songs == ("1.wav",)
    with pytest.raises(UserError, match="No trigger"):
        advice("pop", trigger="")


def test_what_can_be_heard_and_is_no_tag_is_added():
    said = "zxc, rain. A song with Piano and a pianola, and more."
    found = {(a.action, a.tag): a for a in advice("zxc, piano", "zxc, piano, rain", said, "zxc, rain")}
    assert found["add", "piano"].songs == ("2.wav",) and "2 other songs" in found["add", "piano"].reason
    sung = songs("zxc, pop", "zxc, dark, vocals", "zxc, rain", lyrics="Rain")
    sung[2].song.lyrics = "[Instrumental]"
    found = {a.tag: a for a in advise(Captions(Path("songs"), "lyrics", sung), "zxc") if a.action == "add"}
    assert found["vocals"].songs == ("0.wav",) and found["instrumental"].songs == ("2.wav",)
    mixed = songs("zxc, pop", "zxc, piano", "zxc, piano")
    mixed[1].song.genre, mixed[2].song.genre = "bossa nova", "folk"
    assert {a.tag for a in advise(Captions(Path("songs"), "lyrics", mixed), "zxc") if a.action == "add"} == {
        "bossa nova", "folk"}  # fmt: skip
