"""Which files of a folder a scan looks at, and which text belongs to which song."""

import builtins
import os
from unicodedata import normalize

import pytest
from scanned import only, said

from acestep_core.answers import Value
from acestep_core.listing import Listing
from acestep_core.scan import scan_folder
from acestep_core.sidecars import write_labels


def test_hidden_files_and_folders_are_passed_over(add, tmp_path):
    add("._song.wav"), add(".trash/old.wav"), add("song.wav")
    (tmp_path / ".trash" / "old.csv").write_text("File,BPM\nsong.wav,99\n")
    assert only(tmp_path).bpm is None


def test_a_name_as_long_as_a_file_system_takes_is_no_problem(add, tmp_path):
    add("song.wav").rename(tmp_path / ("x" * 251 + ".wav"))
    assert not only(tmp_path).problems


def test_a_folder_that_cannot_be_opened_is_told(add, tmp_path, monkeypatch):
    walk, closed = os.walk, PermissionError(13, "Permission denied", "closed")
    monkeypatch.setattr(os, "walk", lambda top, onerror: onerror(closed) or walk(top))
    add("song.wav")
    found = scan_folder(tmp_path)
    assert str(found.problems[0]).startswith("closed cannot be opened (Permission denied); ") and len(found.songs) == 1


@pytest.mark.parametrize(("audio", "text"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFC", "NFC"), ("NFD", "NFD")])
def test_texts_are_found_however_the_accents_of_their_names_are_spelt(add, tmp_path, audio, text):
    add(f"{normalize(audio, 'café')}.wav")
    for ending, words in ((".lyrics.txt", "la"), (".caption.txt", "bells"), (".json", '{"bpm": 90}')):
        (tmp_path / (normalize(text, "café") + ending)).write_text(words)
    song = only(tmp_path)
    assert (song.lyrics, song.caption, song.bpm) == ("la", "bells", 90) and not song.problems
    write_labels(song, {"lyrics": Value("new"), "bpm": Value(91)}, "plugin")
    assert sorted(p.name.split(".", 1)[1] for p in tmp_path.iterdir()) == ["caption.txt", "json", "lyrics.txt", "wav"]
    assert (only(tmp_path).lyrics, only(tmp_path).bpm) == ("new", 91)


@pytest.mark.parametrize("own", ["NFC", "NFD"])
def test_the_text_that_is_spelt_as_the_song_comes_first(add, tmp_path, own):
    add(f"{normalize(own, 'café')}.wav")
    for form in ("NFC", "NFD"):
        (tmp_path / f"{normalize(form, 'café')}.txt").write_text(form)
    assert only(tmp_path).lyrics == own


def test_audio_that_is_not_read_is_noted(add, tmp_path):
    add("song.wav"), (tmp_path / "a.m4a").write_bytes(b"x"), (tmp_path / "b.AIFF").write_bytes(b"x")
    assert scan_folder(tmp_path).notes == ["2 files of other audio (.aiff, .m4a) are not read: convert them to .flac"]


def test_the_same_stem_in_two_spellings_is_told_as_the_same(add, tmp_path):
    add(f"{normalize('NFC', 'é')}.wav"), add(f"{normalize('NFD', 'é')}.wav")
    assert all("several audio files are named" in said(s) for s in scan_folder(tmp_path).songs)


def test_texts_that_nothing_reads_are_noted_with_the_reason(add, tmp_path):
    add("song.wav"), add("b.lyrics.wav")
    for name in ("Song.lyrics.txt", "other.caption.txt", "b.lyrics.txt", "readme.txt", "song.LRC"):
        (tmp_path / name).write_text("words")
    if (tmp_path / "SONG.WAV").exists():
        pytest.skip("upper and lower case are the same to this file system")
    notes = scan_folder(tmp_path).notes
    assert [n.rpartition("/")[2] for n in notes] == [
        "Song.lyrics.txt: not read, upper and lower case differ from the song's name",
        "other.caption.txt: not read, no song has its name",
        "song.LRC: not read, upper and lower case differ from the song's name",
    ]


def test_a_file_system_without_case_finds_texts_in_any_case(add, tmp_path, monkeypatch):
    add("song.wav"), (tmp_path / "Song.TXT").write_text("words")
    monkeypatch.setattr(Listing, "_opens_in_any_case", lambda listing, folder: True)
    assert only(tmp_path).lyrics == "words" and not scan_folder(tmp_path).notes


def test_a_scan_lists_each_folder_once_and_opens_only_what_is_there(add, tmp_path, monkeypatch):
    for folder in ("a", "b", "b/c"):
        for number in range(3):
            add(f"{folder}/song{number}.wav", txt="words")
    add("a/more.wav", json={"bpm": 90}, caption="bells")
    opened, listed = [], []
    hook = {"open": opened, "os.scandir": listed, "os.listdir": listed}
    real_open = builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda file, *a, **k: hook["open"].append(str(file)) or real_open(file, *a, **k)
    )
    for name in ("scandir", "listdir"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda p=".", real=real: listed.append(str(p)) or real(p))
    songs = scan_folder(tmp_path).songs
    ours = [p for p in opened if p.startswith(str(tmp_path))]
    assert len(songs) == 10 and all(map(os.path.exists, ours))
    texts = [p for p in ours if not p.endswith(".wav")]
    assert len(texts) == len(set(texts)) == 11 and len(ours) == 11 + 2 * 10
    assert sorted(listed) == sorted(str(tmp_path / f) for f in ("", "a", "b", "b/c"))
