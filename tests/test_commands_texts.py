"""scan --deep and --model, lyrics preview and clean, and recode as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acestep_core.audio import write_audio

LRC = "[ar:x]\n[00:05.00][00:01.00]twice\n[00:03.00]once\n"
WORDS = "twice\nonce\ntwice\n"


@pytest.fixture
def songs(tmp_path: Path, make_song) -> Path:
    for number, name in enumerate(("a", "b", "c", "d")):
        make_song(tmp_path / "songs" / f"{name}.wav", 5.2, 200.0 + 10 * number)
    folder = tmp_path / "songs"
    (folder / "a.lrc").write_text(LRC)
    (folder / "b.lyrics.txt").write_text(LRC)
    (folder / "b.lrc").write_text("[00:01]not read, b.lyrics.txt has words\n")
    (folder / "c.txt").write_text("no times here\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_lyrics_preview_shows_a_diff_and_writes_nothing(cli, songs):
    before = contents(songs)
    ended = cli("lyrics", "preview", songs)
    lines = ended.out.splitlines()
    assert ended.code == 0 and contents(songs) == before
    assert "--- a.lrc" in lines and "+++ a.lrc (cleaned)" in lines and "-[ar:x]" in lines and "+once" in lines
    assert "# goes to a.lyrics.txt, a.lrc stays" in lines and "--- b.lyrics.txt" in lines and "--- b.lrc" not in lines
    assert lines[-1] == "2 files with times would be cleaned. Nothing was written."


def test_lyrics_clean_writes_the_words_and_keeps_what_was_there(cli, songs):
    before = contents(songs)
    assert cli("lyrics", "clean", songs).code == 0
    after = contents(songs)
    assert after["a.lyrics.txt"].decode() == after["b.lyrics.txt"].decode() == WORDS
    assert after["b.lyrics.txt.orig"] == before["b.lyrics.txt"] and "c.lyrics.txt" not in after
    assert all(after[n] == before[n] for n in before if n != "b.lyrics.txt")
    assert cli("lyrics", "clean", songs).out.startswith("0 files") and contents(songs) == after
    listed = json.loads(cli("scan", songs, "--json").out)["songs"]
    assert [s["lyrics"] for s in listed] == [WORDS.strip(), WORDS.strip(), "no times here", ""]


def test_an_older_original_stays(cli, songs):
    (songs / "b.lyrics.txt.orig").write_text("the first")
    cli("lyrics", "clean", songs / "b.lyrics.txt")
    assert (songs / "b.lyrics.txt.orig").read_text() == "the first" and (songs / "b.lyrics.txt").read_text() == WORDS


def test_lyrics_of_one_file_and_as_json(cli, songs):
    told = json.loads(cli("lyrics", "preview", songs / "a.lrc", "--json").out)
    assert [Path(f["target"]).name for f in told["files"]] == ["a.lyrics.txt"] and not told["problems"]


def test_lyrics_that_cannot_be_read_are_told_and_the_others_go_on(cli, songs):
    (songs / "c.txt").write_bytes("[00:01]夜の電車".encode("cp932"))
    ended = cli("lyrics", "clean", songs)
    assert ended.code == 1 and "c.txt is not UTF-8" in ended.out and (songs / "a.lyrics.txt").exists()
    assert cli("lyrics", "clean", songs / "nothing").code == 1


@pytest.mark.parametrize(
    ("codec", "name"), [("cp932", "Shift-JIS"), ("gb18030", "GB18030"), ("utf-16-le", "UTF-16"), ("cp1252", "Windows")]
)
def test_recode_does_what_the_sentence_of_scan_says(cli, songs, codec, name):
    text = {"gb18030": "夜里的火车开过我的窗前", "cp1252": "Où es-tu, ma chère?"}.get(codec, "夜の電車が走る\n君の声")
    file = songs / "d o.lyrics.txt"
    (songs / "d.wav").rename(songs / "d o.wav")
    file.write_bytes(text.encode(codec))
    told = json.loads(cli("scan", songs, "--json").out)["songs"][3]["problems"]
    assert len(told) == 1 and f"probably {name}" in told[0]["text"]
    remedy = told[0]["remedy"].removeprefix("run: acestep-core ")
    assert remedy == f"recode '{file}' --from {codec}"
    shown = cli("recode", file, "--from", codec, "--dry-run")
    assert shown.code == 0 and f"  {text.splitlines()[0]}" in shown.out and file.read_bytes() == text.encode(codec)
    assert f"--from {codec}" in cli("recode", file).out and file.read_bytes() == text.encode(codec)
    assert cli("recode", file, "--from", codec).code == 0
    assert file.read_text(encoding="utf-8") == text
    assert file.with_name(f"{file.name}.orig").read_bytes() == text.encode(codec)
    song = json.loads(cli("scan", songs, "--json").out)["songs"][3]
    assert song["lyrics"] == text and not song["problems"]


def test_recode_refuses_what_does_not_fit_and_goes_on(cli, songs):
    (songs / "bad.txt").write_bytes("夜の電車".encode("cp932"))
    ended = cli("recode", songs / "bad.txt", songs / "gone.txt", songs / "c.txt", "--from", "euc_jp")
    assert ended.code == 1 and "is not euc_jp" in ended.err and "try cp932" in ended.err and "gone.txt" in ended.err
    assert "c.txt: is UTF-8 already" in ended.out and "Traceback" not in ended.err


def test_a_deep_scan_tells_what_listening_finds(cli, songs):
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 6 * 48_000)).astype(np.float32)
    write_audio(songs / "e.mp3", noise)
    (songs / "e.mp3").write_bytes((songs / "e.mp3").read_bytes()[:40_000])
    soundfile.write(songs / "f.wav", np.repeat(noise[:1], 2, 0).T, 48_000)
    assert cli("scan", songs).code == 0
    ended = cli("scan", songs, "--deep", "--jobs", "2")
    assert ended.code == 1 and "e.mp3: it is cut off" in ended.out and "listened to 6/6" in ended.err
    assert "f.wav: both channels are the same" in ended.out and "5 of 6 songs can be used" in ended.out
    listed = {Path(s["path"]).name: s for s in json.loads(cli("scan", songs, "--deep", "--json").out)["songs"]}
    assert listed["f.wav"]["sound"]["peak"] == pytest.approx(0.3, abs=0.001) and "sound" not in listed["e.mp3"]


def test_a_stopped_deep_scan_ends_with_130(cli, songs, monkeypatch):
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("acestep_core.console.Ticker.update", stop)
    ended = cli("scan", songs, "--deep")
    assert ended.code == 130 and "Stopped" in ended.err


def test_the_model_counts_tokens_exactly(cli, songs, tiny):
    caption = "bright brass and drums " * 80
    (songs / "a.caption.txt").write_text(caption)
    assert "tokens by estimate, the model knows 256" in cli("scan", songs).out
    from acestep_core import load_backend
    from acestep_core.dataset import Dataset
    from acestep_core.prompts import song_texts

    (song, text) = next(iter(Dataset.scan(songs).captions()))
    tokens = load_backend("pt", model=tiny, device="cpu").text.count(song_texts(song, text)[0])
    out = cli("scan", songs, "--model", tiny).out
    assert f"a.wav: its caption with the template is {tokens} tokens, the model knows 256" in out
    assert "estimate" not in out
