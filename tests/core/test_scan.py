"""Which files of a songs folder are read, which label wins, and what is said about values that cannot be used."""

import shutil

import pytest
import soundfile
from scanned import only, said

from acestep_core import UserError
from acestep_core.audio import EXTENSIONS
from acestep_core.data import SHORTEST_S, Song
from acestep_core.files import content_id
from acestep_core.scan import decode_text, scan_folder


def test_all_five_kinds_of_audio_are_found_in_nested_folders(add, tmp_path):
    for number, extension in enumerate(EXTENSIONS):
        add(f"album/disc {number}/song{number}{extension}")
    add("SHOUTED.WAV")
    (tmp_path / "notes.m4a").write_bytes(b"not read")
    songs = scan_folder(tmp_path).songs
    assert EXTENSIONS == (".wav", ".mp3", ".flac", ".ogg", ".opus")
    assert {s.path.suffix.lower() for s in songs} == set(EXTENSIONS)
    assert [s.path for s in songs] == sorted(s.path for s in songs) and [s.problems for s in songs] == [[]] * 6


def test_lyrics_txt_comes_before_txt(add, tmp_path):
    add("song.wav", lyrics="from lyrics", txt="from txt")
    song = only(tmp_path)
    assert (song.lyrics, song.sources["lyrics"]) == ("from lyrics", "song.lyrics.txt")
    song.path.with_suffix(".lyrics.txt").write_text(" \n")
    assert only(tmp_path).lyrics == "from txt"


@pytest.mark.parametrize(
    ("txt", "lyrics", "caption"), [("lyrics", "words", ""), ("caption", "", "words"), ("ignore", "", "")]
)
def test_what_a_bare_txt_is_can_be_said(add, tmp_path, txt, lyrics, caption):
    add("song.wav", txt="words")
    song = only(tmp_path, txt=txt)
    assert (song.lyrics, song.caption) == (lyrics, caption)


def test_json_wins_over_csv_and_csv_over_caption_txt_field_by_field(add, tmp_path):
    (tmp_path / "tempo.csv").write_text("File,BPM,Key,Caption\nsong.wav,90,C minor,from csv\n")
    add("song.wav", json={"bpm": 120}, caption="from txt")
    song = only(tmp_path)
    assert (song.bpm, song.keyscale, song.caption) == (120, "C minor", "from csv")
    assert song.sources == {"bpm": "song.json", "keyscale": "tempo.csv", "caption": "tempo.csv"}
    (tmp_path / "tempo.csv").unlink()
    assert only(tmp_path).caption == "from txt"


def test_every_json_field_is_read_and_others_are_noted(add, tmp_path):
    fields = {"caption": "bells", "genre": "ambient", "bpm": 90, "keyscale": "D minor", "timesignature": "3"}
    add("song.wav", json={**fields, "language": "ja", "mood": "calm", "artist": "x"})
    song = only(tmp_path)
    assert {k: getattr(song, k) for k in fields} == fields and song.language == "ja"
    assert "song.json: not used here: artist, mood" in song.notes


def test_the_same_file_name_in_two_folders_is_fine_but_two_extensions_of_one_stem_are_not(add, tmp_path):
    add("a/song.wav"), add("b/song.wav"), add("b/other.wav"), add("b/other.mp3")
    problems = {str(s.path.relative_to(tmp_path)): said(s) for s in scan_folder(tmp_path).songs}
    assert problems["a/song.wav"] == problems["b/song.wav"] == ""
    for name in ("b/other.wav", "b/other.mp3"):
        assert "several audio files are named 'other'" in problems[name] and "rename" in problems[name]


def test_the_duration_comes_from_the_header_and_nothing_is_decoded(add, tmp_path, monkeypatch):
    for extension in EXTENSIONS:
        add(f"song{extension[1:]}{extension}")

    def refuse(*args, **options):
        raise AssertionError("decoded")

    monkeypatch.setattr(soundfile.SoundFile, "read", refuse)
    monkeypatch.setattr(soundfile.SoundFile, "blocks", refuse)
    songs = scan_folder(tmp_path).songs
    assert len(songs) == 5 and not any(s.problems for s in songs)
    assert all(s.duration_s == pytest.approx(0.1, abs=0.03) and (s.rate_hz, s.channels) == (48000, 2) for s in songs)


def test_a_song_too_short_for_the_model_is_noted(add, tmp_path):
    add("song.wav")
    assert f"shorter than {SHORTEST_S} s: encode will leave it out" in only(tmp_path).notes


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("bpm", "90.5", 90), ("bpm", 120, 120), ("bpm", " 72 ", 72), ("bpm", 300, 300),
        ("keyscale", "Cm", "C minor"), ("keyscale", "F♯ minor", "F♯ minor"), ("keyscale", "bb MAJOR", "Bb major"),
        ("keyscale", "CM", "C major"), ("keyscale", "A", "A major"), ("keyscale", "g#min", "G# minor"),
        ("timesignature", "3/4", "3"), ("timesignature", "6/8", "6"), ("timesignature", 4, "4"),
        ("language", "EN", "en"), ("language", "instrumental", "unknown"), ("language", "yue", "yue"),
    ],
)  # fmt: skip
def test_values_are_put_into_the_models_words(add, tmp_path, field, value, expected):
    add("song.wav", json={field: value})
    song = only(tmp_path)
    assert getattr(song, field) == expected and not song.problems and song.sources == {field: "song.json"}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("bpm", 0, "outside 30 to 300"), ("bpm", 301, "outside"), ("bpm", "fast", "is not a number"),
        ("bpm", True, "is not a number"), ("bpm", [90], "is not a number"), ("bpm", "nan", "is not a number"),
        ("bpm", "inf", "is not a number"), ("keyscale", "H major", "is no key"), ("keyscale", 5, "is no key"),
        ("timesignature", 5, "none of 2, 3, 4, 6"), ("timesignature", True, "none of"),
        ("language", "tlh", "no language code"), ("caption", ["bells"], "is not text"),
        ("caption", "half \ud83d", "half a character"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_a_problem_and_no_guess(add, tmp_path, field, value, reason):
    add("song.wav", json={field: value})
    song = only(tmp_path)
    assert len(song.problems) == 1 and reason in said(song)
    assert field in said(song) and "song.json" in said(song) and song.problems[0].remedy
    assert getattr(song, field) == getattr(Song(path=song.path), field) and field not in song.sources


@pytest.mark.parametrize(
    ("text", "reason"),
    [('{"bpm": NaN}', "NaN is not a JSON number"), ('{"bpm": 90', "no valid JSON"), ("[90]", "no JSON object"),
     ("[" * 100_000, "no valid JSON"), ('{"bpm": 90, "bpm": 91}', "'bpm' stands in it with two values")],
)  # fmt: skip
def test_a_json_file_that_is_none_is_a_problem(add, tmp_path, text, reason):
    add("song.wav").with_suffix(".json").write_text(text)
    song = only(tmp_path)
    assert reason in said(song) and "song.json" in said(song) and song.problems[0].remedy


def test_all_problems_of_a_song_are_told_together(add, tmp_path):
    add("song.wav", json={"bpm": 0, "keyscale": "H", "language": "tlh"})
    assert len(only(tmp_path).problems) == 3


def test_an_id_stays_when_a_song_is_renamed_and_differs_for_other_recordings(add, tmp_path):
    path = add("song.wav", caption="bells")
    before = only(tmp_path).id
    path.rename(tmp_path / "other name.wav")
    assert only(tmp_path).id == before and len(before) == 12
    add("song.wav")
    assert len({s.id for s in scan_folder(tmp_path).songs}) == 2


def test_an_id_stays_when_a_song_moves_to_another_folder_and_gets_other_texts(add, tmp_path):
    path = add("a/song.mp3", lyrics="la")
    before = only(tmp_path).id
    (tmp_path / "b" / "c").mkdir(parents=True)
    path.rename(tmp_path / "b" / "c" / "x.MP3")
    (tmp_path / "b" / "c" / "x.txt").write_text("other words")
    assert only(tmp_path).id == before and only(tmp_path).lyrics == "other words"


@pytest.mark.parametrize("byte", [100, 500_000, -1])
def test_an_id_differs_when_the_start_the_middle_or_the_end_does(tmp_path, byte):
    raw = bytearray(1_000_000)
    (tmp_path / "a").write_bytes(raw)
    raw[byte] = 1
    (tmp_path / "b").write_bytes(raw)
    assert content_id(tmp_path / "a") != content_id(tmp_path / "b")


def test_a_copy_of_a_song_is_told_with_the_file_it_equals(add, tmp_path):
    path = add("a.wav")
    shutil.copy(path, tmp_path / "b.wav")
    first, second = scan_folder(tmp_path).songs
    assert not first.problems
    assert "same recording as" in said(second) and str(path) in said(second) and second.problems[0].remedy


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("Größe".encode("latin-1"), "not UTF-8"), ("夜の電車".encode("shift-jis"), "not UTF-8"),
        ("words".encode("utf-16-le"), "no text file, probably UTF-16"), (b"\xff\xfe\x00", "begins as UTF-16"),
    ],
)  # fmt: skip
def test_a_bom_is_taken_off_and_other_encodings_are_refused(raw, reason):
    assert decode_text("\ufeffwords".encode()) == "words"
    with pytest.raises(UserError, match=reason):
        decode_text(raw)


def test_lyrics_in_utf_16_with_a_mark_are_read_with_a_note_and_shift_jis_is_refused_with_the_command(add, tmp_path):
    path = add("song.wav").with_suffix(".lyrics.txt")
    path.write_bytes("夜の電車".encode("utf-16"))
    song = only(tmp_path)
    assert song.lyrics == "夜の電車" and "song.lyrics.txt: read as UTF-16, as its byte-order mark says" in song.notes
    path.write_bytes("夜の電車".encode("shift-jis"))
    (problem,) = only(tmp_path).problems
    assert problem.text == "song.lyrics.txt is not UTF-8 (byte 0), probably Shift-JIS"
    assert problem.remedy == f"run: acestep-core recode {path} --from cp932" and only(tmp_path).lyrics == ""


def test_a_missing_folder_is_one_clear_sentence(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        scan_folder(tmp_path / "nowhere")


def test_the_example_songs_have_no_problems(songs_dir):
    found = scan_folder(songs_dir)
    assert len(found.songs) == 6 and not found.problems and all(s.labelled and not s.problems for s in found.songs)
