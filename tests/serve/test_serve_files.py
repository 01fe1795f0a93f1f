"""What may be sent: sound, of a bearable size, under a plain name; all else is refused before it can do harm."""

import io
import struct
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from servers import http

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.listening import listen


def sound(container="WAV", seconds=0.5, rate=48_000, channels=2, subtype=None):
    wave = 0.1 * np.sin(np.arange(round(seconds * rate)) / 20)[:, None].repeat(channels, axis=1)
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=container, subtype=subtype)
    return file.getvalue()


def claiming(frames):
    """A FLAC whose header says how many frames there are."""
    content = bytearray(sound("FLAC"))
    place = 8 + 10  # behind the mark and the head of STREAMINFO: 20 bits rate, 3 channels, 5 bits, 36 bits frames
    packed = int.from_bytes(content[place : place + 8], "big") & ~((1 << 36) - 1)
    content[place : place + 8] = (packed | frames).to_bytes(8, "big")
    return bytes(content)


def silence(seconds):
    """A FLAC of digital silence: kilobytes that are minutes."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(seconds * 8000), np.int16), 8000, format="FLAC")
    return file.getvalue()


WAV = sound()
RIFF_LIE = WAV[:4] + struct.pack("<I", 0x40000024) + WAV[8:40] + struct.pack("<I", 0x40000000) + WAV[44:]
REFUSED = {
    "empty": ("a.wav", b""),
    "no sound": ("a.wav", WAV[:44]),
    "cut off": ("a.wav", WAV[: len(WAV) // 2]),
    "cut off flac": ("a.flac", sound("FLAC", 2.0)[:9000]),
    "cut off ogg": ("a.ogg", sound("OGG", 2.0, subtype="VORBIS")[:4000]),
    "text": ("a.wav", b"la la la " * 100),
    "a program": ("a.mp3", b"\x7fELF" + bytes(2000)),
    "a zip": ("a.flac", b"PK\x03\x04" + bytes(2000)),
    "renamed": ("a.flac", WAV),
    "renamed mp3": ("a.wav", sound("MP3")),
    "header that lies of size": ("a.wav", RIFF_LIE),
    "header of hours": ("a.flac", claiming((1 << 36) - 1)),
    "header without length": ("a.flac", claiming(0)),
    "three channels": ("a.wav", sound(channels=3)),
    "a bomb": ("a.flac", silence(600)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_sound_is_taken_of(name, tmp_path):
    file, content = REFUSED[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError) as refused:
        listen(tmp_path / file, 60.0)
    assert refused.value.hint


def test_a_bomb_that_says_it_is_short_is_listened_to_no_longer_than_allowed(tmp_path):
    content = bytearray(silence(600))
    packed = int.from_bytes(content[18:26], "big") & ~((1 << 36) - 1)
    content[18:26] = (packed | 8000).to_bytes(8, "big")
    (tmp_path / "a.flac").write_bytes(content)
    try:
        told = listen(tmp_path / "a.flac", 60.0)
    except UserError:
        return
    assert told["duration_s"] <= 60


@pytest.mark.parametrize("container", ["WAV", "FLAC", "MP3", "OGG"])
def test_sound_is_taken(container, tmp_path):
    path = tmp_path / f"a.{container.lower()}"
    path.write_bytes(sound(container))
    assert listen(path, 60.0)["duration_s"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("name", ["cut off", "renamed", "header of hours"])
def test_the_server_refuses_with_the_sentence(bare, name):
    answer = http.post(f"{bare.url}/v1/files", files={"file": REFUSED[name]}, timeout=60)
    assert answer.status_code == 422 and answer.json()["problem"] and answer.json()["hint"]


@pytest.mark.parametrize(
    "name",
    ["../../a.wav", "/etc/a.wav", "a\\b.wav", ".a.wav", "a.wav\x00", "a.exe", "a", "", "x" * 300 + ".wav", "C:a.wav"],
)
def test_names_that_are_no_plain_names_are_refused(bare, name):
    answer = http.post(f"{bare.url}/v1/files", files={"file": (name, WAV)}, timeout=60)
    assert 400 <= answer.status_code < 500, answer.text


def test_what_is_too_large_is_refused_before_it_has_all_come(bare):
    sent = 0

    def endless():
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        while sent < 200:
            sent += 1
            yield bytes(1_000_000)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        assert http.post(f"{bare.url}/v1/files", content=endless(), headers=headers, timeout=60).status_code == 413
    except httpx.TransportError:
        pass  # the connection is closed while the rest is still being sent
    assert sent < 150


def test_files_are_listed_fetched_and_deleted(bare, tmp_path):
    (tmp_path / "own.wav").write_bytes(WAV)
    name = bare.upload(tmp_path / "own.wav")
    id = name.removeprefix("file:")
    assert [f["file"] for f in bare.ask("GET", "/v1/files")["files"] if f["id"] == id] == ["own.wav"]
    answer = http.get(f"{bare.url}/v1/files/{id}")
    assert answer.content == WAV and answer.headers["X-Content-Type-Options"] == "nosniff"
    bare.ask("DELETE", f"/v1/files/{id}")
    assert http.get(f"{bare.url}/v1/files/{id}").status_code == 404


def test_there_are_only_so_many_files(started, tmp_path):
    client = started(max_uploads=1)
    (tmp_path / "own.wav").write_bytes(WAV)
    client.upload(tmp_path / "own.wav")
    with pytest.raises(UserError, match="There are 1 files already"):
        client.upload(tmp_path / "own.wav")


TABLE = "File,BPM\nlow.wav,92\n"


@pytest.mark.parametrize("content", [TABLE.encode(), TABLE.encode("utf-8-sig"), "File,Caption\nlow.wav,夜".encode()])
def test_a_table_is_kept_as_it_is_and_named_in_requests(bare, content):
    sent = http.post(f"{bare.url}/v1/files", files={"file": ("tempo.csv", content)}).json()
    assert (sent["file"], sent["lines"]) == ("tempo.csv", 2)
    assert http.get(f"{bare.url}/v1/files/{sent['id']}").content == content
    options = {"annotator": {"file": sent["name"]}}
    asked = bare.service.understood("annotate", {"folder": ".", "annotators": ["csv"], "options": options}).plain()
    assert Path(asked["options"]["annotator"]["file"]).read_bytes() == content


def test_prompts_are_named_in_requests(bare):
    (bare.folder / "own").mkdir(exist_ok=True)
    sent = http.post(f"{bare.url}/v1/files", files={"file": ("prompts.txt", "a waltz --d 7")}).json()
    request = {"encoded": "own", "model": "nano", "samples": {"prompts": sent["name"]}}
    assert bare.service.understood("train", request).plain()["samples"]["prompts"].endswith("/prompts.txt")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"File\x00", "no text file"),
        ("a.csv", "夜の雨が窓を".encode("cp932"), "is not UTF-8"),
        ("a.txt", b"a\x1b[2Jb", "the character 0x1b"),
        ("a.txt", b"\xff\xfea", "begins as UTF-16"),
        ("a.txt", WAV, "is not UTF-8"),
        ("a.json", b'{"metadata": {}, "samples": []}', "more than the labels of a song: metadata, samples"),
        ("a.json", b"[1]", "more than the labels"),
        ("a.json", b"{", "no valid JSON"),
        ("a.json", b"[" * 100_000, "no valid JSON"),
        ("dataset.toml", b"", "is nothing that is taken"),
        ("a.jsonl", b"{}", "is nothing that is taken"),
    ],
)
def test_no_text_is_taken_of(bare, name, content, said):
    answer = http.post(f"{bare.url}/v1/files", files={"file": (name, content)})
    assert answer.status_code == 422 and said in answer.json()["problem"], answer.text


def test_a_text_is_small_and_no_sound_of_a_task(bare):
    answer = http.post(f"{bare.url}/v1/files", files={"file": ("a.txt", b"a" * 1_000_001)})
    assert answer.status_code == 413 and "more than 1 MB" in answer.json()["problem"]
    told = http.post(f"{bare.url}/release_task", data={"prompt": "x"}, files={"ref_audio": ("a.txt", b"la")}).json()
    assert "is nothing that is taken" in told["error"] and ".txt" not in told["error"].partition(": ")[2]


def sent(bare, name, content):
    answer = http.post(f"{bare.url}/v1/files", files={"file": (name, content)}, timeout=60)
    assert answer.status_code == 201, answer.text
    return answer.json()["name"]


def test_songs_and_their_texts_are_put_into_a_folder_and_nothing_there_is_replaced(bare):
    words, labels = sent(bare, "a.lyrics.txt", b"la la la"), sent(bare, "a.json", b'{"bpm": 90}')
    first = bare.wait(
        bare.submit("add_songs", {"folder": "brought", "files": [sent(bare, "a.wav", WAV), words, labels]}).id
    )
    assert first.state == "done", first.error
    assert sorted(first.result["added"]) == ["a.json", "a.lyrics.txt", "a.wav"] and first.result["problems"] == {}
    assert (bare.folder / "brought" / "a.wav").read_bytes() == WAV
    others = [
        sent(bare, "a.wav", sound(seconds=1.0)),
        words,
        sent(bare, "b.srt", b"1\n00:00:00,000 --> 00:00:01,000\nla\n"),
    ]
    second = bare.wait(bare.submit("add_songs", {"folder": "brought", "files": others}).id).result
    assert (second["added"], second["kept"]) == (["b.srt"], ["a.lyrics.txt"])
    assert "another a.wav" in second["problems"]["a.wav"][0]
    assert (bare.folder / "brought" / "a.wav").read_bytes() == WAV
    assert {p.name for p in (bare.folder / "brought").iterdir()} == {"a.wav", "a.lyrics.txt", "a.json", "b.srt"}
    [song] = bare.wait(bare.submit("scan", {"source": "brought"}).id).result["songs"]
    assert (song["lyrics"], song["bpm"]) == ("la la la", 90)


@pytest.mark.parametrize(
    ("request_", "said"),
    [({"files": []}, "nothing to add"), ({"files": ["file:0000000000000000"]}, "no upload"),
     ({"files": ["/etc/passwd"]}, "outside"), ({"files": ["a.wav"], "folder": "../.."}, "outside")],
)  # fmt: skip
def test_nothing_is_put_anywhere_else(bare, request_, said):
    with pytest.raises(UserError, match=said):
        bare.submit("add_songs", request_)
