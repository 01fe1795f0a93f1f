"""Tables beside songs: what is read, and what is said about rows that fit no song or several."""

import pytest
from scanned import only

from acestep_core.scan import scan_folder


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_have_any_delimiter_a_bom_and_columns_in_any_case(add, tmp_path, delimiter):
    lines = [["Artist", "fIlE", "BPM ", "KEY"], ["someone", "song.wav", "92", "Cm"]]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    (tmp_path / "key_bpm.CSV").write_text(text, encoding="utf-8-sig")
    add("song.wav", caption="stays")
    song = only(tmp_path)
    assert (song.bpm, song.keyscale, song.caption) == (92, "C minor", "stays")


def test_two_rows_of_one_name_that_differ_are_noted_and_the_later_one_counts(add, tmp_path):
    (tmp_path / "t.csv").write_text("File,BPM,Key\nsong.wav,90,\nsong.wav,91,Am\nb.wav,70,\nb.wav,70,Am\n")
    add("song.wav"), add("b.wav")
    found = scan_folder(tmp_path)
    assert found.songs[1].bpm == 91
    assert found.notes == ["t.csv: two rows of 'song.wav' differ, the later one counts"]


def test_a_row_that_counts_for_several_songs_is_noted_with_them(add, tmp_path):
    add("a/song.wav"), add("b/song.wav")
    (tmp_path / "t.csv").write_text("File,BPM\nsong.wav,90\n")
    (note,) = scan_folder(tmp_path).notes
    assert "counts for 2 songs" in note and str(tmp_path / "a" / "song.wav") in note


@pytest.mark.parametrize("row", ["song.mp3", "song", "SONG.WAV", "Song.flac"])
def test_a_row_with_a_wrong_name_is_noted_with_the_song_it_may_mean(add, tmp_path, row):
    (tmp_path / "t.csv").write_text(f"File;BPM\n{row};90\n", encoding="utf-8-sig")
    add("song.wav")
    found = scan_folder(tmp_path)
    assert found.notes[0].endswith("; is 'song.wav' meant?") and found.songs[0].bpm is None


def test_a_csv_in_utf_16_as_spreadsheets_save_it_is_read(add, tmp_path):
    (tmp_path / "t.csv").write_bytes("File\tBPM\r\n夜.wav\t90\r\n".encode("utf-16"))
    add("夜.wav")
    assert only(tmp_path).bpm == 90


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
