"""The spreadsheet: what is exported comes back as it was through every program, and what was changed is told apart."""

import csv
import io
from pathlib import Path

import pytest

from acestep_core import UserError, Value
from acestep_core.review_table import apply_changes, read_table, write_table
from acestep_core.reviewing import review_items
from acestep_core.scan import scan_folder
from acestep_core.sidecars import write_labels
from acestep_core.testing.fakes import write_wav

LYRICS = '[Verse]\n雨が降る, "so"; it\nrains\n\n[Chorus]\n=SUM(A1)'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Songs a and b in songs/, labelled by a plugin."""
    songs = tmp_path / "songs"
    (songs / "b side").mkdir(parents=True)
    for name, hz in (("a.wav", 220.0), ("b side/b.wav", 440.0)):
        write_wav(songs / name, 0.5, hz=hz)
    for song in scan_folder(songs).songs:
        given = {"lyrics": Value(LYRICS), "bpm": Value(92, 0.25), "genre": Value("=cmd|' /C calc'!A0", 0.1)}
        write_labels(song, given | {"timesignature": Value("4", 0.2), "caption": Value("'tis a song", 0.1)}, "ears")
    return songs


def exported(folder: Path, name: str = "review.csv") -> Path:
    path = folder.parent / name
    write_table(path, folder, review_items(folder))
    return path


def rows_of(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), delimiter=delimiter))


def save(
    path: Path, rows: list[dict[str, str]], encoding: str = "utf-8", delimiter: str = ",", first: str = ""
) -> None:
    """As a spreadsheet program does: quotes where it must, CR LF behind each row."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    table.writeheader()
    table.writerows(rows)
    path.write_bytes((first + text.getvalue()).encode(encoding))


def changed(path: Path, place: str, name: str, **cells: str) -> Path:
    rows = rows_of(path)
    for row in [r for r in rows if r["song"] == place and r["field"] == name]:
        row |= cells
    save(path, rows)
    return path


def song(folder: Path, place: str = "a.wav"):
    return next(s for s in scan_folder(folder).songs if s.path == folder / place)


def asked(changes) -> list[tuple]:
    return [(c.song.path.name, c.field, c.what, c.value) for c in changes.changes]


def told(changes) -> list[str]:
    return [str(p) for p in changes.problems]


def test_a_row_has_the_value_whole_and_says_where_it_is_from(folder):
    path = exported(folder)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = rows_of(path)
    assert [(r["song"], r["field"]) for r in rows[5:]] == [
        ("b side/b.wav", f) for f in ("caption", "genre", "lyrics", "bpm", "timesignature")
    ]
    bpm, lyrics = rows[3], rows[2]
    assert bpm["alternatives"] == "46 / 184"
    assert (bpm["value"], bpm["source"], bpm["confidence"], bpm["accept"]) == ("92", "ears", "0.25", "")
    assert bpm["why"] == "bpm is a guess of ears 0.25: check it" and lyrics["value"] == LYRICS


def test_no_cell_can_be_taken_for_a_formula_or_its_ids_for_numbers(folder):
    cells = [c for r in rows_of(exported(folder)) for c in r.values()]
    assert "'=cmd|' /C calc'!A0" in cells and "''tis a song" in cells
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@", "\t", "\r"))]
    for row in rows_of(exported(folder, "again.csv")):
        with pytest.raises(ValueError):
            float(row["id"])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_that_was_only_saved_again_asks_for_nothing(folder, encoding, delimiter):
    path = exported(folder)
    save(path, rows_of(path), encoding, delimiter)
    found = read_table(path, folder)
    assert (asked(found), told(found), found.unchanged) == ([], [], 10)


def test_tabs_are_written_for_tsv_and_the_line_that_names_the_delimiter_is_passed_over(folder):
    path = exported(folder, "review.tsv")
    assert len(rows_of(path, "\t")) == 10
    save(path, rows_of(path, "\t"), "utf-8-sig", ";", "sep=;\r\n")
    assert read_table(path, folder).unchanged == 10


def test_a_program_may_drop_the_apostrophe_and_write_numbers_its_own_way(folder):
    path = exported(folder)
    changed(path, "a.wav", "genre", value="=cmd|' /C calc'!A0")
    changed(path, "a.wav", "bpm", value=" 92,0")
    assert asked(read_table(path, folder)) == []


def test_changed_cells_become_a_persons_and_an_x_accepts(folder):
    path = exported(folder)
    changed(path, "a.wav", "bpm", value="184")
    changed(path, "a.wav", "lyrics", value="Snow\r\non me")
    changed(path, "a.wav", "caption", value="")
    changed(path, "b side/b.wav", "bpm", accept="X")
    changed(path, "b side/b.wav", "genre", accept="no")
    found = read_table(path, folder)
    assert asked(found) == [
        ("a.wav", "caption", "set", ""),
        ("a.wav", "lyrics", "set", "Snow\non me"),
        ("a.wav", "bpm", "set", 184),
        ("b.wav", "bpm", "accept", 92),
    ]
    assert song(folder).bpm == 92
    apply_changes(found)
    a, b = song(folder), song(folder, "b side/b.wav")
    assert (a.bpm, a.lyrics, a.caption, set(a.confidence)) == (184, "Snow\non me", "", {"genre", "timesignature"})
    assert (b.bpm, b.sources["bpm"], b.reviewed) == (92, "ears 0.25", ["bpm"]) and not found.problems
    assert asked(read_table(path, folder)) == []


def test_emptied_lyrics_make_the_song_instrumental_once(folder):
    path = changed(exported(folder), "a.wav", "lyrics", value="")
    apply_changes(read_table(path, folder))
    assert song(folder).lyrics == "[Instrumental]"
    assert asked(read_table(path, folder)) == [] == told(read_table(path, folder))


def test_every_bad_cell_is_told_with_row_and_column_and_the_others_are_used(folder):
    path = exported(folder)
    rows = rows_of(path)
    rows[0]["value"] = "fine"
    rows[1]["accept"] = "perhaps"
    rows[3]["value"] = "fast"
    rows[4] |= {"song": "gone.wav", "id": "#0"}
    rows[5]["field"] = "tempo"
    rows[6]["original"] = "1.2E+11"
    rows.append(rows[0] | {"value": "finer"})
    save(path, rows)
    found = read_table(path, folder)
    assert asked(found) == [("a.wav", "caption", "set", "fine")]
    starts = [
        "3, accept: 'perhaps' is neither yes nor no",
        "5, value: bpm 'fast' is not a number",
        "6, song: there is no song 'gone.wav'",
        "7, field: there is no field 'tempo'",
        "8, original: '1.2E+11' is not what was exported",
        "12, field: the row says again what row 2 says",
    ]
    assert [t.removeprefix("review.csv, row ").partition(";")[0] for t in told(found)] == starts


def test_a_value_that_changed_since_the_export_is_not_overwritten(folder):
    path = changed(exported(folder), "a.wav", "bpm", value="184")
    changed(path, "b side/b.wav", "bpm", accept="x")
    for place in ("a.wav", "b side/b.wav"):
        write_labels(song(folder, place), {"bpm": Value(120, 0.4)}, "eyes")
    found = read_table(path, folder)
    assert asked(found) == [] and len(told(found)) == 2
    assert "row 5, value: bpm of a.wav has changed since the export; export it again" in told(found)[0]


def test_a_renamed_song_is_found_by_its_sound_and_a_song_with_other_sound_by_its_name(folder):
    path = changed(exported(folder), "a.wav", "bpm", value="184")
    changed(path, "b side/b.wav", "bpm", value="46", id="#000000000000", song="b side\\b.wav")
    for file in sorted(folder.glob("a.*")):
        file.rename(folder / file.name.replace("a.", "renamed.", 1))
    assert asked(read_table(path, folder)) == [("renamed.wav", "bpm", "set", 184), ("b.wav", "bpm", "set", 46)]


def test_letters_lost_by_an_old_encoding_are_no_edit(folder):
    path = exported(folder)
    save(path, [{k: v.encode("ascii", "replace").decode() for k, v in r.items()} for r in rows_of(path)], "cp1252")
    found = read_table(path, folder)
    assert asked(found) == [] and found.unchanged == 8
    assert all("value: letters of lyrics have become '?'" in t and "CSV UTF-8" in t for t in told(found))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("song;field;value;original\na;lyrics;caf\xe9;#1\n".encode("cp1252"), "is not UTF-8"),
        ("song,field,original\n".encode("utf-16")[:-1], "is UTF-16 that is cut off"),
        (b"song,field,original\n", "has no column 'value'"),
        (b"", "has no column 'song'"),
        (b'song,field,value,original\na,b,"' + b"x" * 200_000, "is no table"),
    ],
)
def test_a_file_that_is_no_such_table_is_one_sentence(folder, content, problem):
    path = folder.parent / "x.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=problem):
        read_table(path, folder)
    with pytest.raises(UserError, match="gone.csv cannot be read"):
        read_table(folder / "gone.csv", folder)


def test_a_table_that_is_there_is_not_overwritten(folder):
    path = exported(folder)
    with pytest.raises(UserError, match="is there already"):
        exported(folder)
    with pytest.raises(UserError, match="cannot be written"):
        exported(folder, "review.csv/review.csv")
    assert rows_of(path)


def test_a_change_that_cannot_be_written_is_told_and_the_others_go_on(folder):
    path = changed(exported(folder), "a.wav", "bpm", value="184")
    changed(path, "b side/b.wav", "bpm", value="46")
    found = read_table(path, folder)
    write_labels(song(folder), {"bpm": Value(120, 0.4)}, "eyes")
    apply_changes(found)
    assert asked(found) == [("b.wav", "bpm", "set", 46)] and song(folder, "b side/b.wav").bpm == 46
    assert told(found)[0].startswith("review.csv, row 5, value: bpm of a.wav has changed since it was read")
