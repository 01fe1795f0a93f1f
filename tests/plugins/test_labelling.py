"""The bundled transcriber and annotator that need no service."""

from pathlib import Path

import pytest

from acestep_core import Song, UserError
from acestep_core.testing.fakes import write_wav
from acestep_plugins.annotators.csv import Csv
from acestep_plugins.transcribers.sidecar import Sidecar

FIELDS = ("bpm", "keyscale", "caption")


def found(folder: Path, **options) -> dict:
    return {name: v.value for name, v in Csv(**options).annotate(Song(folder / "a.wav"), FIELDS).items()}


def test_csv_reads_tables_beside_and_above_the_song_and_the_nearest_wins(tmp_path):
    inner = tmp_path / "album" / "disc"
    inner.mkdir(parents=True)
    (tmp_path / "all.csv").write_text("File;BPM;Key;Caption\na.wav;90;Dm;slow\n", encoding="utf-8-sig")
    (inner / "disc.CSV").write_text("file,bpm,key\na.wav,91,\n")
    assert found(inner) == {"bpm": 91, "keyscale": "D minor", "caption": "slow"}
    assert found(inner, levels=1) == {"bpm": 91} and found(tmp_path / "elsewhere", levels=0) == {}


def test_csv_can_be_given_one_table_and_tells_what_is_wrong_with_it(tmp_path):
    (tmp_path / "mine.tsv").write_text("File\tBPM\na.wav\t99\n")
    assert found(tmp_path, file=tmp_path / "mine.tsv") == {"bpm": 99}
    (tmp_path / "bad.csv").write_text("File,BPM\na.wav,fast\n")
    with pytest.raises(UserError, match="bpm 'fast' in bad.csv is not a number"):
        found(tmp_path)
    with pytest.raises(UserError, match="gone.csv cannot be read"):
        found(tmp_path, file=tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".lrc", "[00:01.00]Rain\n[00:02.00]again\n"),
        (".srt", "1\n00:00:01,000 --> 00:00:02,000\nRain\n\n2\n00:00:02,000 --> 00:01:00,000\nagain\n"),
        (".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nRain\n\n00:02.000 --> 01:00.000\nagain\n"),
    ],
)
def test_sidecar_gives_words_and_times_within_the_song(tmp_path, ending, text):
    audio = write_wav(tmp_path / "a.wav", 3.0)
    audio.with_suffix(ending).write_text(text)
    heard = Sidecar().transcribe(audio, language="en")
    assert heard.text.split() == ["Rain", "again"] and heard.language is None
    assert [(s.start_s, s.end_s, s.text) for s in heard.segments] == [(1.0, 2.0, "Rain"), (2.0, 3.0, "again")]


def test_sidecar_refuses_where_there_is_none_or_no_utf_8(tmp_path):
    audio = write_wav(tmp_path / "a.wav", 1.0)
    with pytest.raises(UserError, match=r"a.wav has no .lrc, .srt, .vtt file beside it"):
        Sidecar().transcribe(audio)
    audio.with_suffix(".lrc").write_bytes("[00:01]夜".encode("shift-jis"))
    with pytest.raises(UserError, match="a.lrc is not UTF-8"):
        Sidecar().transcribe(audio)
