"""What needs a person, and what becomes of that person's decisions on disk."""

import json
from pathlib import Path

import pytest

from acestep_core import Dataset, Song, UserError, Value
from acestep_core.reviewing import accept, items_of, review_items, set_by_user
from acestep_core.scan import scan_folder
from acestep_core.sidecars import Marks, Policy, read_marks, write_labels, write_tagged
from acestep_core.testing.fakes import write_wav

GIVEN = {
    "bpm": Value(92, 0.3),
    "keyscale": Value("C minor", 0.9),
    "genre": Value("folk"),
    "lyrics": Value("Rain\non me", 0.99),
    "caption": Value("slow bells", 0.9),
}


@pytest.fixture
def song(tmp_path: Path) -> Song:
    write_wav(tmp_path / "a.wav", 0.5)
    write_labels(read(tmp_path), GIVEN, "ears")
    return read(tmp_path)


def read(folder: Path) -> Song:
    return scan_folder(folder).songs[0]


def again(song: Song) -> Song:
    return read(song.path.parent)


def fields(song: Song, **request) -> list[str]:
    return [i.field for i in review_items(song.path.parent, **request)]


def content(song: Song) -> dict:
    return json.loads(song.path.with_suffix(".json").read_text(encoding="utf-8"))


def known(song: Song) -> tuple:
    return {n: getattr(song, n) for n in GIVEN}, song.sources, song.confidence, song.reviewed


def test_guesses_and_lyrics_of_a_plugin_need_a_person_and_with_everything_the_rest_too(song):
    assert fields(song) == ["lyrics", "bpm"]
    assert fields(song, everything=True) == ["caption", "genre", "lyrics", "bpm", "keyscale"]
    assert fields(song, everything=True, fields=("bpm", "genre")) == ["genre", "bpm"]
    (bpm,) = review_items(song.path.parent, fields=("bpm",))
    assert (bpm.value, bpm.source, bpm.why) == (92, "ears", ("bpm is a guess of ears 0.30: check it",))


def test_a_note_about_a_value_of_anybodys_needs_a_person(song):
    for name in ("caption", "lyrics"):
        set_by_user(song, name, "mine")
    about = ["caption is odd", "a.txt: its caption reads like lyrics", "its caption is about 300 tokens"]
    song.notes = [*about, "captions are good", "no lyrics: treated as instrumental", "a.json: not used here: lyrics"]
    assert song.notes_on("caption") == about and not song.notes_on("lyrics")
    (item,) = items_of(song, fields=("caption", "lyrics"))
    assert (item.field, item.why, item.source) == ("caption", tuple(about), "a.caption.txt")
    accept(song, "caption")
    assert not list(items_of(song, fields=("caption",))) and again(song).reviewed == ["caption"]


def test_what_was_accepted_keeps_giver_and_confidence_and_is_not_asked_again(song):
    for name in ("lyrics", "bpm"):
        accept(song, name)
    now = again(song)
    assert (now.sources["bpm"], now.confidence["bpm"], now.bpm) == ("ears 0.30", 0.3, 92)
    assert now.reviewed == ["lyrics", "bpm"] and now.unreviewed == ["caption", "genre", "keyscale"]
    assert known(song) == known(now) and fields(song) == [] and not now.notes_on("bpm")
    assert content(now)["acestep"]["reviewed"] == ["bpm", "lyrics"]


def test_what_a_person_gave_is_that_persons(song):
    for name, value in {"bpm": "184", "lyrics": "Snow\r\n[00:01.00]on me ", "caption": "fast bells"}.items():
        set_by_user(song, name, value)
    now = again(song)
    assert (now.bpm, now.lyrics, now.caption) == (184, "Snow\non me", "fast bells")
    assert known(song) == known(now) and set(now.confidence) == {"keyscale", "genre"} and now.reviewed == []
    assert not {"bpm", "lyrics", "caption"} & {*read_marks(now).sources, *read_marks(now).ids}
    assert (song.path.parent / "a.caption.txt").read_text() == "fast bells\n" and "caption" not in content(song)


@pytest.mark.parametrize("name", ["caption", "genre", "bpm", "keyscale"])
def test_what_a_person_took_away_stays_away(song, name):
    set_by_user(song, name, "")
    now = again(song)
    assert name not in now.sources and known(song) == known(now) and name not in fields(now, everything=True)
    for policy in (Policy(("ears",)), Policy(("ears",), again=True)):
        assert not policy.asks("ears", name, now, read_marks(now))
    assert Policy(("ears",), (name,)).asks("ears", name, now, read_marks(now))


def test_lyrics_taken_away_make_the_song_instrumental_whatever_other_files_say(song):
    song.path.with_suffix(".lrc").write_text("[00:01.00]Words")
    set_by_user(song, "lyrics", "")
    assert again(song).lyrics == "[Instrumental]" and again(song).instrumental and "lyrics" not in fields(song)


def test_what_stands_in_a_table_of_the_users_is_taken_away_there(tmp_path):
    write_wav(tmp_path / "a.wav", 0.5)
    (tmp_path / "t.csv").write_text("File,BPM\na.wav,92\n")
    with pytest.raises(UserError, match="bpm of a.wav comes from t.csv"):
        set_by_user(read(tmp_path), "bpm", "")
    set_by_user(read(tmp_path), "bpm", 93)
    assert read(tmp_path).bpm == 93


@pytest.mark.parametrize("stronger", ["a.json", "t.csv"])
def test_a_persons_caption_wins_over_where_the_old_one_was(tmp_path, stronger):
    write_wav(tmp_path / "a.wav", 0.5)
    (tmp_path / "t.csv").write_text("File,Caption\na.wav,old\n" if stronger == "t.csv" else "File\n")
    if stronger == "a.json":
        (tmp_path / "a.json").write_text('{"caption": "old", "mood": "calm"}')
    set_by_user(read(tmp_path), "caption", "new")
    assert read(tmp_path).caption == "new" and content(read(tmp_path)).get("mood") == (
        "calm" if "j" in stronger else None
    )


def test_a_plugin_that_replaces_an_accepted_value_takes_the_acceptance_with_it(song):
    accept(song, "bpm")
    accept(song, "keyscale")
    assert not Policy(("eyes",), again=True).asks("eyes", "bpm", song, read_marks(song))
    write_labels(again(song), {"bpm": Value(120, 0.4)}, "eyes")
    assert again(song).reviewed == ["keyscale"] and "bpm" in fields(song)


def test_a_value_changed_by_hand_after_it_was_accepted_is_a_persons(song):
    accept(song, "bpm")
    song.path.with_suffix(".json").write_text(json.dumps(content(song) | {"bpm": 93}))
    now = again(song)
    assert now.sources["bpm"] == "a.json" and "bpm" not in now.reviewed and "bpm" not in now.confidence
    accept(now, "bpm")
    assert (
        again(song).sources["bpm"] == "a.json"
        and again(song).reviewed == ["bpm"]
        and not again(song).confidence.get("bpm")
    )


def test_a_value_that_changed_after_it_was_shown_is_neither_accepted_nor_replaced(song):
    write_labels(again(song), {"bpm": Value(120, 0.4)}, "eyes")
    for decide in (lambda: accept(song, "bpm"), lambda: set_by_user(song, "bpm", 100)):
        with pytest.raises(UserError, match="bpm of a.wav has changed since it was read"):
            decide()
    assert again(song).bpm == 120 and again(song).reviewed == []


@pytest.mark.parametrize(("name", "ending"), [("bpm", ".json"), ("lyrics", ".lyrics.txt"), ("caption", ".caption.txt")])
def test_what_somebody_wrote_after_it_was_shown_is_neither_accepted_nor_replaced(song, name, ending):
    path, shown = song.path.with_suffix(ending), song
    for _ in ("a plugin's was shown", "a person's was shown"):
        path.write_text(json.dumps(content(song) | {"bpm": 77}) if name == "bpm" else "theirs")
        for decide in (accept, lambda s, n: set_by_user(s, n, 100 if n == "bpm" else "mine")):
            with pytest.raises(UserError, match=f"{name} of a.wav has changed since it was read"):
                decide(shown, name)
        assert getattr(again(song), name) in (77, "theirs") and name not in again(song).reviewed
        set_by_user(again(song), name, 99 if name == "bpm" else "own")
        shown = again(song)


def test_blank_lines_and_headings_of_a_persons_lyrics_stay(song):
    set_by_user(song, "lyrics", "[Verse]\n\n\nRain\n  on me")
    assert again(song).lyrics == "[Verse]\n\n\nRain\n  on me"
    accept(song, "lyrics")
    assert again(song).reviewed == ["lyrics"]


@pytest.mark.parametrize(("name", "value"), [("bpm", "fast"), ("bpm", 5), ("keyscale", "H"), ("tempo", 92)])
def test_a_value_that_cannot_be_used_changes_nothing(song, name, value):
    before = {p.name: p.read_bytes() for p in song.path.parent.iterdir()}
    with pytest.raises(UserError):
        set_by_user(song, name, value)
    assert before == {p.name: p.read_bytes() for p in song.path.parent.iterdir()} and song.bpm == 92


def test_a_text_written_before_its_mark_was_taken_off_is_a_persons_already(song, monkeypatch):
    monkeypatch.setattr("acestep_core.reviewing.write_json", lambda *_: pytest.fail("killed"))
    with pytest.raises(pytest.fail.Exception):
        set_by_user(song, "lyrics", "Snow")
    assert again(song).lyrics == "Snow" and "lyrics" not in again(song).confidence


def test_a_folder_that_cannot_be_written_is_one_sentence(song, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("acestep_core.reviewing.write_json", refuse)
    with pytest.raises(UserError, match=r"a\.json cannot be written \(Permission denied\)"):
        accept(song, "bpm")
    assert song.reviewed == []


def test_the_one_mark_for_all_fields_of_a_song_is_still_read(song):
    old = content(song)
    old["acestep"]["reviewed"] = True
    song.path.with_suffix(".json").write_text(json.dumps(old))
    assert again(song).reviewed == ["caption", "genre", "lyrics", "bpm", "keyscale"] and fields(song) == []
    write_labels(again(song), {"bpm": Value(93, 0.1)}, "eyes")
    assert fields(song) == ["bpm"]
    old["acestep"]["reviewed"] = False
    assert Marks.of(old).reviewed == set()


def test_a_dataset_file_has_reviewed_fields_and_reads_the_old_mark(song, tmp_path):
    accept(song, "bpm")
    Dataset.scan(tmp_path).save(tmp_path / "d.json")
    saved = json.loads((tmp_path / "d.json").read_text())
    assert saved["samples"][0]["reviewed"] == ["bpm"]
    for reviewed, unreviewed in ((["bpm", "x"], 4), (True, 0), (False, 5), ("bpm", 5), (None, 5)):
        saved["samples"][0]["reviewed"] = reviewed
        (tmp_path / "d.json").write_text(json.dumps(saved))
        assert len(Dataset.load(tmp_path / "d.json").songs[0].unreviewed) == unreviewed


def test_what_else_a_value_may_be_is_kept_until_a_person_gives_another(song):
    write_labels(song, {"bpm": Value(90, 0.3, (180, 60))}, "eyes")
    (bpm,) = review_items(song.path.parent, fields=("bpm",))
    assert bpm.alternatives == [180, 60]
    write_labels(again(song), {"bpm": Value(90, 0.3)}, "ears")
    assert [i.alternatives for i in review_items(song.path.parent, fields=("bpm",))] == [[45, 180]]
    write_labels(again(song), {"bpm": Value(200, 0.3, (100,))}, "ears")
    set_by_user(again(song), "bpm", 100)
    assert read_marks(again(song)).alternatives == {}


def test_songs_with_problems_are_left_out(song):
    song.path.with_suffix(".json").write_text('{"bpm": "fast"}')
    assert fields(song, everything=True) == []


@pytest.mark.parametrize(
    "decided", [lambda s: accept(s, "lyrics"), lambda s: set_by_user(s, "lyrics", "[Verse]\nmine")]
)
def test_section_tags_of_a_plugin_need_a_person_whose_words_they_stand_in(song, decided):
    set_by_user(song, "lyrics", "mine")
    write_tagged(again(song), "[Chorus]\nmine", "ears")
    (item,) = review_items(song.path.parent, fields=("lyrics",))
    assert item.why == ("lyrics: the section tags are from ears: check them",)
    decided(item.song)
    assert "lyrics" not in fields(song)


def test_words_that_were_accepted_are_that_persons_while_their_tags_wait_for_one(song):
    accept(song, "lyrics")
    write_tagged(again(song), "[Chorus]\nRain\non me", "ears")
    assert read_marks(again(song)).giver(again(song), "lyrics") is None
    (item,) = review_items(song.path.parent, fields=("lyrics",))
    assert item.why == ("lyrics: the section tags are from ears: check them",)
