"""N_name folders: repeats only when asked for, parent or leaf, and a year is no number of repeats."""

import pytest

from acestep_core import Dataset, UserError
from acestep_core.kohya.folders import repeats_and_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("10_mytrigger", (10, "mytrigger")), ("5_a_b c", (5, "a_b c")), ("7", (7, "")), ("7_", (7, "")),
        ("80_s hits", (80, "s hits")), ("3_夜の電車", (3, "夜の電車")), ("0_x", (0, "x")), ("songs", None),
        ("-3_x", None), ("1.5_x", None), ("_5_x", None), ("x_10", None), ("1e3_x", None), ("", None),
    ],
)  # fmt: skip
def test_a_folder_name_is_read_as_kohya_reads_it(name, expected):
    assert repeats_and_name(name) == expected


def by_stem(dataset):
    return {s.path.stem: (s.repeats, s.caption) for s in dataset.songs if not s.problems}


@pytest.fixture
def tree(song, tmp_path):
    song("k/10_mytrigger/a.wav")
    song("k/10_mytrigger/b.wav", caption="own words")
    song("k/10_mytrigger/deep er/c.wav")
    song("k/2_other one/d.wav")
    song("k/plain/e.wav", caption_txt="plain words")
    song("k/f.wav")
    (tmp_path / "k" / "key.csv").write_text("File,BPM\na.wav,90\nd.wav,120\n")
    return tmp_path / "k"


def test_the_parent_folder(tree):
    dataset = Dataset.open(tree, kohya=True)
    assert by_stem(dataset) == {
        "a": (10, "mytrigger"), "b": (10, "own words"), "c": (10, "mytrigger"), "d": (2, "other one"),
        "e": (1, "plain words"), "f": (1, ""),
    }  # fmt: skip
    assert {s.path.stem: s.bpm for s in dataset.songs if s.bpm} == {"a": 90, "d": 120}
    assert not dataset.problems and any("plain, k: no number in front" in n for n in dataset.notes)


def test_the_folder_itself(tree):
    dataset = Dataset.open(tree / "10_mytrigger", kohya=True)
    assert by_stem(dataset) == {"a": (10, "mytrigger"), "b": (10, "own words"), "c": (10, "mytrigger")}


def test_scan_shows_the_repeats(tree, cli):
    ended = cli("scan", tree, "--kohya")
    assert ended.code == 0 and "10_mytrigger: 2 songs x 10 repeats = 20 an epoch" in ended.out
    assert "deep er: 1 song x 10 repeats = 10 an epoch" in ended.out


@pytest.mark.parametrize("source", [".", "10_mytrigger"])
def test_without_being_asked_for_numbers_are_only_names_and_a_note_says_so(tree, source):
    dataset = Dataset.open(tree / source)
    assert {s.repeats for s in dataset.songs} == {1} and dataset.songs[0].caption == ""
    assert len([n for n in dataset.notes if "10_mytrigger" in n and "give --kohya" in n]) == 1


@pytest.mark.parametrize("name", ["2024_live", "1001_nights", "0_none"])
def test_a_year_or_nothing_is_no_number_of_repeats(song, tmp_path, name):
    song(f"k/{name}/a.wav")
    song("k/3_good/b.wav")
    dataset = Dataset.open(tmp_path / "k", kohya=True)
    assert by_stem(dataset) == {"b": (3, "good")}
    assert name in str(dataset.problems[0]) and "left out" in str(dataset.problems[0])


def test_album_folders_are_left_alone(song, tmp_path):
    song("k/2024_live/a.wav")
    song("k/80_s hits/b.wav")
    assert [s.repeats for s in Dataset.open(tmp_path / "k").songs] == [1, 1]


def test_the_meaning_of_txt_must_be_said(song, tmp_path):
    song("k/3_x/a.wav", txt="soft bells")
    with pytest.raises(UserError, match=r"a\.txt lies beside the songs of 3_x") as caught:
        Dataset.open(tmp_path / "k", kohya=True)
    assert "--txt caption" in caught.value.hint
    assert Dataset.open(tmp_path / "k", "caption", kohya=True).songs[0].caption == "soft bells"
    assert Dataset.open(tmp_path / "k", "lyrics", kohya=True).songs[0].lyrics == "soft bells"


def test_a_folder_without_songs_is_told_only_where_repeats_were_asked(song, tmp_path):
    song("k/3_x/a.wav")
    for name in ("4_empty", "logs"):
        (tmp_path / "k" / name).mkdir()
    assert [str(p) for p in Dataset.open(tmp_path / "k", kohya=True).problems] == [
        "4_empty holds no song; put songs there, or take it out"
    ]


def test_a_file_is_no_folder(song):
    with pytest.raises(UserError, match="is no folder"):
        Dataset.open(song("a.wav"), kohya=True)
