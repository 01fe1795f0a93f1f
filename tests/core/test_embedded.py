"""Tags inside files: what is read out of them, that everything else wins over them, and that rubbish costs no song."""

import io
from pathlib import Path

import pytest
from tagged_audio import lyrics_frame, text_frame, write_flac, write_mp3, write_tagged_wav

from acestep_core.data import Song
from acestep_core.embedded import key_of, read_tags
from acestep_core.prompts import KEYSCALES
from acestep_core.scan import scan_folder


def only(folder: Path) -> Song:
    (song,) = scan_folder(folder).songs
    assert not song.problems
    return song


def mp3(folder: Path, *frames: bytes) -> Song:
    write_mp3(folder / "song.mp3", *frames)
    return only(folder)


def test_an_mp3_gives_title_artist_tempo_key_and_lyrics(tmp_path):
    song = mp3(tmp_path, text_frame("TIT2", "夜の電車"), text_frame("TPE1", "Somebody"), text_frame("TBPM", "128.00"),
               text_frame("TKEY", "Am"), lyrics_frame("[Verse]\r\nRain on the roof"))  # fmt: skip
    assert (song.title, song.artist, song.bpm, song.keyscale) == ("夜の電車", "Somebody", 128, "A minor")
    assert song.lyrics == "[Verse]\nRain on the roof"
    assert song.sources == {"bpm": "tags", "keyscale": "tags", "lyrics": "tags"}


def test_a_flac_does_so_too(tmp_path):
    write_flac(tmp_path / "song.flac", "TITLE=Café", "artist=Somebody", "BPM=92", "INITIALKEY=8A", "LYRICS=la\nli")
    song = only(tmp_path)
    assert (song.title, song.artist, song.bpm, song.keyscale) == ("Café", "Somebody", 92, "A minor")
    assert song.lyrics == "la\nli" and song.duration_s == pytest.approx(0.1)


def test_a_wav_gives_what_its_list_has(tmp_path):
    write_tagged_wav(tmp_path / "song.wav", INAM="Title", IART="Somebody", IBPM="140")
    song = only(tmp_path)
    assert (song.title, song.artist, song.bpm) == ("Title", "Somebody", 140)


def test_whatever_lies_beside_the_song_wins_field_by_field(tmp_path):
    (tmp_path / "t.csv").write_text("File,BPM\nsong.mp3,90\n")
    (tmp_path / "song.json").write_text('{"keyscale": "D major"}')
    (tmp_path / "song.txt").write_text("from the file")
    song = mp3(tmp_path, text_frame("TBPM", "128"), text_frame("TKEY", "Am"), lyrics_frame("from the tag"))
    assert (song.bpm, song.keyscale, song.lyrics) == (90, "D major", "from the file")
    assert song.sources == {"bpm": "t.csv", "keyscale": "song.json", "lyrics": "song.txt"}
    (tmp_path / "song.txt").write_text(" \n")
    assert only(tmp_path).lyrics == "from the tag"


def test_times_in_a_lyrics_tag_are_taken_out(tmp_path):
    assert mp3(tmp_path, lyrics_frame("[ar:x]\n[00:01.00]la\n[00:02.00]li")).lyrics == "la\nli"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (text_frame("TBPM", "fast"), "bpm 'fast' in its tags is not a number, not used"),
        (text_frame("TBPM", "1000"), "bpm '1000' in its tags is outside 30 to 300"),
        (text_frame("TKEY", "H dur"), "keyscale 'H dur' in its tags is no key"),
        (lyrics_frame("https://lyrics.example/song"), "is a link and no lyrics"),
        (lyrics_frame("夜里的火车开过我的窗前\n我还在想你说过的话".encode("gb18030")), "is GB18030 under a wrong name"),
        (lyrics_frame("[00:01.00]\n[00:02.00]"), "has no words"),
    ],
)
def test_rubbish_in_a_tag_is_a_note_and_the_song_is_used(tmp_path, frame, reason):
    song = mp3(tmp_path, frame)
    assert any(reason in note for note in song.notes), song.notes
    assert not song.sources and (song.bpm, song.keyscale, song.lyrics) == (None, "", "")


@pytest.mark.parametrize(
    "frame", [text_frame("TBPM", "0"), text_frame("TKEY", "o"), lyrics_frame("Instrumental"), text_frame("TBPM", " ")]
)
def test_what_means_unknown_says_nothing(tmp_path, frame):
    song = mp3(tmp_path, frame)
    assert not song.sources and not [n for n in song.notes if "tags" in n]


def test_accented_lyrics_stored_as_latin_1_are_what_they_seem(tmp_path):
    assert mp3(tmp_path, lyrics_frame("Où es-tu, ma chère?".encode("latin-1"))).lyrics == "Où es-tu, ma chère?"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("8A", "A minor"), ("8B", "C major"), ("08a", "A minor"), ("1A", "Ab minor"), ("1B", "B major"),
        ("12A", "Db minor"), ("12B", "E major"), ("1m", "A minor"), ("1d", "C major"), ("6m", "Ab minor"),
        ("12d", "F major"), ("5A", "C minor"), ("Am", "Am"), ("13A", "13A"), ("0A", "0A"),
    ],
)  # fmt: skip
def test_keys_of_the_dj_wheels_are_put_into_words(text, key):
    assert key_of(text) == key


def test_a_step_on_the_wheel_is_a_fifth_and_both_rings_have_the_same_notes():
    """Camelot's definition: n+1 is a fifth up, nB is the relative major of nA."""
    tones = {"C": 0, "Db": 1, "D": 2, "Eb": 3, "E": 4, "F": 5, "F#": 6, "G": 7, "Ab": 8, "A": 9, "Bb": 10, "B": 11}
    for hour in range(1, 13):
        minor, major = (key_of(f"{hour}{ring}") for ring in "AB")
        assert {minor, major} <= set(KEYSCALES)
        assert tones[major.split()[0]] == (tones[minor.split()[0]] + 3) % 12
        after = key_of(f"{hour % 12 + 1}A").split()[0]
        assert tones[after] == (tones[minor.split()[0]] + 7) % 12


def test_damaged_tags_never_raise(tmp_path):
    raw = write_mp3(tmp_path / "a.mp3", text_frame("TIT2", "x" * 50), lyrics_frame("la " * 50)).read_bytes()
    flac = write_flac(tmp_path / "b.flac", "TITLE=x", "LYRICS=la").read_bytes()
    for source in (raw, flac):
        for at in range(0, 400, 3):
            damaged = bytearray(source)
            damaged[at] ^= 0xFF
            read_tags(io.BytesIO(bytes(damaged)))
        for length in range(0, 400, 7):
            read_tags(io.BytesIO(source[:length]))
