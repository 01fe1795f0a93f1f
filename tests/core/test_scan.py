"""Which files of a songs folder are read, which label wins, and what is said about values that cannot be used."""

import os
import shutil
from collections.abc import Callable
from json import dumps
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acestep_core import UserError
from acestep_core.audio import EXTENSIONS, write_audio
from acestep_core.data import SHORTEST_S, Song
from acestep_core.files import content_id
from acestep_core.scan import decode_text, scan_folder

AddSong = Callable[..., Path]
_count = iter(range(1_000_000))


@pytest.fixture
def add(tmp_path: Path) -> AddSong:
    """add("a.wav", json={...}, caption="...", lyrics="...", txt="...") writes a short song and its text files."""

    def write(name: str, json: object = None, **texts: str) -> Path:
        path = tmp_path / name
        wave = np.random.default_rng(next(_count)).uniform(-0.1, 0.1, (2, 4800)).astype(np.float32)
        write_audio(path, wave)
        endings = {"caption": ".caption.txt", "lyrics": ".lyrics.txt", "txt": ".txt"}
        for kind, text in texts.items():
            path.with_suffix(endings[kind]).write_text(text, encoding="utf-8")
        if json is not None:
            path.with_suffix(".json").write_text(dumps(json), encoding="utf-8")
        return path

    return write


def only(folder: Path, **options: str) -> Song:
    songs = scan_folder(folder, **options).songs
    assert len(songs) == 1
    return songs[0]


def said(song: Song) -> str:
    return "\n".join(map(str, song.problems))


def test_all_five_kinds_of_audio_are_found_in_nested_folders(add, tmp_path):
    for number, extension in enumerate(EXTENSIONS):
        add(f"album/disc {number}/song{number}{extension}")
    add("SHOUTED.WAV")
    (tmp_path / "notes.m4a").write_bytes(b"not read")
    songs = scan_folder(tmp_path).songs
    assert EXTENSIONS == (".wav", ".mp3", ".flac", ".ogg", ".opus")
    assert {s.path.suffix.lower() for s in songs} == set(EXTENSIONS)
    assert [s.path for s in songs] == sorted(s.path for s in songs) and [s.problems for s in songs] == [[]] * 6


def test_hidden_files_and_folders_are_passed_over(add, tmp_path):
    add("._song.wav"), add(".trash/old.wav"), add("song.wav")
    (tmp_path / ".trash" / "old.csv").write_text("File,BPM\nsong.wav,99\n")
    assert only(tmp_path).bpm is None


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


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_have_any_delimiter_a_bom_and_columns_in_any_case(add, tmp_path, delimiter):
    lines = [["Artist", "fIlE", "BPM ", "KEY"], ["someone", "song.wav", "92", "Cm"]]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    (tmp_path / "key_bpm.CSV").write_text(text, encoding="utf-8-sig")
    add("song.wav", caption="stays")
    song = only(tmp_path)
    assert (song.bpm, song.keyscale, song.caption) == (92, "C minor", "stays")


def test_quoted_fields_of_a_csv_may_hold_commas_and_line_breaks(add, tmp_path):
    (tmp_path / "all.csv").write_text('File,BPM,Caption\n"a, b.wav",80,"slow,\nthen\u2028slower"\n', encoding="utf-8")
    add("a, b.wav")
    song = only(tmp_path)
    assert (song.bpm, song.caption) == (80, "slow,\nthen\u2028slower")


def test_rows_that_match_nothing_are_noted_with_the_reason(add, tmp_path):
    (tmp_path / "t.csv").write_text("File,BPM\nsong.wav,90\nSong.wav,91\nsong,92\n")
    add("song.wav")
    found = scan_folder(tmp_path)
    assert [n.split("'")[1] for n in found.notes] == ["Song.wav", "song"]
    assert all("matches no song" in n for n in found.notes) and found.songs[0].bpm == 90


def test_a_csv_without_file_column_and_a_folder_without_audio_are_noted(tmp_path):
    (tmp_path / "other.csv").write_text("Name,Tempo\nsong.wav,90\n")
    notes = scan_folder(tmp_path).notes
    assert notes[1] == "other.csv: no 'File' column, not read" and ".flac" in notes[0]


def test_a_csv_speaks_for_its_folder_and_those_below_only(add, tmp_path):
    add("a/song.wav"), add("a/deep/song.wav"), add("b/song.wav")
    (tmp_path / "a" / "t.csv").write_text("File,BPM\nsong.wav,90\n")
    bpm = {str(s.path.relative_to(tmp_path)): s.bpm for s in scan_folder(tmp_path).songs}
    assert bpm == {"a/song.wav": 90, "a/deep/song.wav": 90, "b/song.wav": None}


def test_a_csv_matches_names_however_their_accents_are_spelt(add, tmp_path):
    (tmp_path / "t.csv").write_text("File,BPM\ncaf\u00e9.wav,90\n", encoding="utf-8")
    add("cafe\u0301.wav")
    assert only(tmp_path).bpm == 90


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("File,Key\nsöng.wav,x\n".encode("latin-1"), "is not UTF-8"),
        (b'File,BPM\n"' + b"x" * 200_000 + b'",9\n', "no table"),
    ],
)
def test_a_csv_that_cannot_be_read_is_a_problem_of_the_folder(add, tmp_path, raw, reason):
    add("song.wav")
    (tmp_path / "bad.csv").write_bytes(raw)
    found = scan_folder(tmp_path)
    assert "bad.csv" in str(found.problems[0]) and reason in str(found.problems[0]) and found.problems[0].remedy
    assert not found.songs[0].problems


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
     ("[" * 100_000, "no valid JSON")],
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
        ("words".encode("utf-16"), "UTF-16"), ("words".encode("utf-16-le"), "no text"),
    ],
)  # fmt: skip
def test_a_bom_is_taken_off_and_other_encodings_are_refused(raw, reason):
    assert decode_text("\ufeffwords".encode()) == "words"
    with pytest.raises(UserError, match=reason):
        decode_text(raw)


def test_a_name_as_long_as_a_file_system_takes_is_no_problem(add, tmp_path):
    add("song.wav").rename(tmp_path / ("x" * 251 + ".wav"))
    assert not only(tmp_path).problems


def test_a_folder_that_cannot_be_opened_is_told(add, tmp_path, monkeypatch):
    walk, closed = os.walk, PermissionError(13, "Permission denied", "closed")
    monkeypatch.setattr(os, "walk", lambda top, onerror: onerror(closed) or walk(top))
    add("song.wav")
    found = scan_folder(tmp_path)
    assert str(found.problems[0]).startswith("closed cannot be opened (Permission denied); ") and len(found.songs) == 1


def test_a_missing_folder_is_one_clear_sentence(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        scan_folder(tmp_path / "nowhere")


def test_the_example_songs_have_no_problems(songs_dir):
    found = scan_folder(songs_dir)
    assert len(found.songs) == 6 and not found.problems and all(s.labelled and not s.problems for s in found.songs)
