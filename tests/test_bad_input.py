"""One folder with everything that goes wrong with songs, and checkpoints that are not what they should be."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from acestep_core.audio import write_audio
from acestep_core.encoded import EncodedSet

RATE_HZ = 48_000
DIT, TEXT = "acestep-v15-tiny-turbo", "Qwen3-Embedding-0.6B"
ODD = "-odd 'name' \"#1\" 100% 🎵 50%25.wav"
LONG = "x" * 251 + ".wav"
GOOD = {"good.wav", "bom.wav", ODD, LONG}
UNDECODABLE = os.fsdecode(b"bad\xff.wav")
# what scan says of a song, then what only encode can find out
AT_SCAN = {
    "empty.wav": "the file is empty",
    "half.wav": "it is cut off: 3.0 s are there of 6.0 s declared",
    "text.mp3": "no readable .mp3 audio",
    "three.wav": "it has 3 channels",
    "latin.wav": "latin.lyrics.txt is not UTF-8",
    "shift.wav": "shift.lyrics.txt is not UTF-8",
    "utf16.wav": "utf16.lyrics.txt is no text file, probably UTF-16",
    "broken.wav": "broken.json is no valid JSON",
    "list.wav": "list.json holds no JSON object",
    "number.wav": "NaN is not a JSON number",
    "twice.wav": "several audio files are named 'twice'",
    "twice.mp3": "several audio files are named 'twice'",
    "copy.wav": "it is the same recording as",
} | ({UNDECODABLE: "its name is not valid Unicode"} if sys.platform == "linux" else {})
AT_ENCODE = {
    "cut.mp3": "it is cut off",
    "nan.wav": "NaN or infinite samples",
    "silent.wav": "it is silent",
    "second.wav": "it lasts 1.00 s",
}


@pytest.fixture(scope="module")
def songs(tmp_path_factory, make_song) -> Path:
    folder = tmp_path_factory.mktemp("everything")
    for number, name in enumerate(sorted(GOOD | AT_SCAN.keys())):
        make_song(folder / "song.wav", 5.2, 100.0 + 20 * number).rename(folder / name)
    _write_bad_audio(folder)
    _write_bad_texts(folder)
    return folder


def _write_bad_audio(folder: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 6 * RATE_HZ)).astype(np.float32)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.mp3").write_text("Rain on the roof\n" * 300)
    write_audio(folder / "twice.mp3", noise)
    for name in ("cut.mp3", "half.wav"):
        write_audio(folder / name, noise)
        (folder / name).write_bytes((folder / name).read_bytes()[: (folder / name).stat().st_size // 2])
    soundfile.write(folder / "three.wav", np.zeros((6 * RATE_HZ, 3)), RATE_HZ)
    noise[0, 200_000] = np.nan
    soundfile.write(folder / "nan.wav", noise.T, RATE_HZ, subtype="FLOAT")
    write_audio(folder / "silent.wav", np.zeros((2, 6 * RATE_HZ), np.float32))
    write_audio(folder / "second.wav", noise[:, :RATE_HZ])
    shutil.copy(folder / "bom.wav", folder / "copy.wav")


def _write_bad_texts(folder: Path) -> None:
    for name, text, encoding in (
        ("bom.lyrics.txt", "Regen über Köln", "utf-8-sig"), ("latin.lyrics.txt", "Regen über Köln", "latin-1"),
        ("shift.lyrics.txt", "夜の電車", "shift-jis"), ("utf16.lyrics.txt", "Regen", "utf-16-le"),
        ("tempo.csv", "File;BPM\nbom.wav;90\n", "utf-8-sig"), ("bom.json", "{}", "utf-8"),
        ("broken.json", '{"bpm": 90', "utf-8"), ("list.json", "[90]", "utf-8"),
        ("number.json", '{"bpm": NaN}', "utf-8"),
    ):  # fmt: skip
        (folder / name).write_bytes(text.encode(encoding))


@pytest.fixture(scope="module")
def encode(songs, tiny, cli, tmp_path_factory) -> Callable:
    out = tmp_path_factory.mktemp("out")
    return lambda: (out, cli("encode", songs, "--model", tiny, "--out", out, "-o", "device=cpu", "--json"))


def test_scan_says_one_clear_sentence_with_a_remedy_for_each_bad_song(songs, cli):
    ended = cli("scan", songs)
    assert ended.code == 1 and ended.err == ""
    lines = ended.out.splitlines()
    for name, reason in AT_SCAN.items():
        shown = name.encode("utf-8", "backslashreplace").decode()
        (line,) = [x for x in lines if x.startswith(f"{shown}: ") and "no lyrics" not in x]
        sentence, _, remedy = line.removeprefix(f"{shown}: ").partition("; ")
        assert reason in sentence and remedy
    usable = len(GOOD) + len(AT_ENCODE)
    assert lines[-1].startswith(f"{usable} of {usable + len(AT_SCAN)} songs can be used")


def test_scan_as_json_says_the_same(songs, cli):
    ended = cli("scan", songs, "--json")
    assert ended.code == 1 and ended.err == ""
    listed = {Path(s["path"]).name: s for s in json.loads(ended.out)["songs"]}
    assert listed.keys() == GOOD | AT_SCAN.keys() | AT_ENCODE.keys()
    assert {name for name, song in listed.items() if song["problems"]} == AT_SCAN.keys()
    for name, reason in AT_SCAN.items():
        (problem,) = listed[name]["problems"]
        assert reason in problem["text"] and problem["remedy"]


def test_a_byte_order_mark_does_no_harm(songs, cli):
    listed = {Path(s["path"]).name: s for s in json.loads(cli("scan", songs, "--json").out)["songs"]}
    assert listed["bom.wav"]["lyrics"] == "Regen über Köln" and listed["bom.wav"]["bpm"] == 90


def test_encode_makes_exactly_the_good_songs_and_keeps_them_the_second_time(encode):
    out, first = encode()
    told = json.loads(first.out)
    assert first.code == 1 and set(told["encoded"]) == GOOD and not told["kept"]
    assert told["problems"].keys() == AT_SCAN.keys() | AT_ENCODE.keys()
    for name, reason in (AT_SCAN | AT_ENCODE).items():
        (line,) = told["problems"][name]
        assert reason in line and "; " in line
    assert set(EncodedSet.open(out).names) == GOOD
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in out.glob("*.safetensors")}
    out, second = encode()
    told = json.loads(second.out)
    assert second.code == 1 and set(told["kept"]) == GOOD and not told["encoded"]
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in out.glob("*.safetensors")}
    assert len(before) == len(GOOD) and set(EncodedSet.open(out).names) == GOOD


def test_a_bad_song_does_not_take_a_good_one_of_the_same_name_with_it(tmp_path, tiny, cli, make_song):
    make_song(tmp_path / "songs" / "a" / "song.wav", 5.2)
    bad = make_song(tmp_path / "songs" / "b" / "song.wav", 5.2, 300.0)
    bad.with_suffix(".json").write_text('{"bpm": 0}')
    ended = cli("encode", tmp_path / "songs", "--model", tiny, "--out", tmp_path / "out", "-o", "device=cpu", "--json")
    assert list(json.loads(ended.out)["problems"]) == [str(bad)]
    assert len(EncodedSet.open(tmp_path / "out")) == 1


def test_a_folder_without_songs_and_a_file_as_out_are_told(tmp_path, tiny, cli, songs):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    ended = cli("encode", tmp_path / "empty", "--model", tiny, "--out", tmp_path / "out")
    assert ended.code == 1 and "No song of" in ended.err and "acestep-core scan" in ended.err
    ended = cli("encode", songs, "--model", tiny, "--out", tmp_path / "file")
    assert ended.code == 1 and "cannot be made a folder" in ended.err and "give another --out" in ended.err


def config(part: str, **changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / part / "config.json"
        content = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))

    return change


def half(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:10_000])


def _wrong_tensors(folder: Path) -> None:
    path = folder / DIT / "model.safetensors"
    tensors = load_file(path)
    del tensors["decoder.layers.0.mlp.up_proj.weight"], tensors["decoder.layers.1.mlp.up_proj.weight"]
    tensors["decoder.layers.0.mlp.gate_proj.weight"] = torch.zeros(3, 4)
    tensors["decoder.layers.9.extra"] = torch.zeros(1)
    save_file(tensors, path)


def _no_null_condition(folder: Path) -> None:
    path = folder / DIT / "model.safetensors"
    save_file({k: v for k, v in load_file(path).items() if k != "null_condition_emb"}, path)


def _foreign_tensors(folder: Path) -> None:
    path = folder / DIT / "model.safetensors"
    save_file(load_file(path) | {"unet.a": torch.zeros(1), "unet.b": torch.zeros(1)}, path)


SHOWN = {
    "a missing folder": (shutil.rmtree, "There is no folder"),
    "a foreign model": (config(DIT, model_type="llama"), "holds no ACE-Step 1.5 model"),
    "no config": (lambda folder: (folder / DIT / "config.json").unlink(), "holds no ACE-Step 1.5 model"),
    "lacking keys": (config(DIT, hidden_size=None), "config.json lacks hidden_size"),
    "no weights": (lambda folder: (folder / DIT / "model.safetensors").unlink(), "has no weights"),
}
ENCODED = {
    "damaged dit": (half(f"{DIT}/model.safetensors"), f"{DIT}/model.safetensors is damaged"),
    "damaged codec": (half("vae/diffusion_pytorch_model.safetensors"), "pytorch_model.safetensors is damaged"),
    "damaged codec config": (lambda folder: (folder / "vae" / "config.json").write_text("{"), "no valid JSON"),
    "no codec": (lambda folder: shutil.rmtree(folder / "vae"), "has no folder vae"),
    "no text encoder": (lambda folder: shutil.rmtree(folder / TEXT), f"has no folder {TEXT}"),
    "no silence": (lambda folder: (folder / DIT / "silence_latent.pt").unlink(), "lacks silence_latent.pt"),
    "foreign tensors": (_foreign_tensors, r"(?s)2 tensors that are no part.*unet\.a.*unet\.b"),
    "damaged text encoder": (half(f"{TEXT}/model.safetensors"), "is damaged"),
    "codec config lacking keys": (config("vae", downsampling_ratios=None), "config.json lacks downsampling_ratios"),
    "no tokenizer": (lambda folder: [p.unlink() for p in (folder / TEXT).glob("tokenizer*")], "has no tokenizer"),
    "no null condition": (_no_null_condition, "missing null_condition_emb"),
    "damaged index": (lambda folder: (folder / DIT / "model.safetensors.index.json").write_text("{"), "index.json"),
    "a size that is no number": (config(DIT, hidden_size="big"), "hidden_size is no number"),
    "wrong tensors": (
        _wrong_tensors,
        r"(?s)4 tensors do not fit.*missing \S*layers\.0\.mlp\.up_proj\.weight\n.*missing \S*layers\.1\.mlp\.up_proj"
        r".*unexpected \S*layers\.9\.extra.*layers\.0\.mlp\.gate_proj\.weight is \(3, 4\), .* says \(192, 128\)",
    ),
}


@pytest.fixture
def spoilt(tiny, tmp_path):
    def spoil(change: Callable[[Path], None]) -> Path:
        folder = Path(shutil.copytree(tiny, tmp_path / "models"))
        change(folder)
        return folder

    return spoil


@pytest.fixture(scope="module")
def two_songs(tmp_path_factory, make_song) -> Path:
    folder = tmp_path_factory.mktemp("two")
    make_song(folder / "a.wav", 5.2), make_song(folder / "b.wav", 5.2, 300.0)
    return folder


@pytest.mark.parametrize("case", SHOWN)
def test_models_show_refuses_with_one_message(spoilt, cli, case):
    change, reason = SHOWN[case]
    _assert_one_message(cli("models", "show", spoilt(change)), reason)


@pytest.mark.parametrize("case", [*SHOWN, *ENCODED])
def test_encode_refuses_a_checkpoint_with_one_message(spoilt, cli, two_songs, tmp_path, case):
    change, reason = (SHOWN | ENCODED)[case]
    out = tmp_path / "out"
    ended = cli("encode", two_songs, "--model", spoilt(change), "--out", out, "-o", "device=cpu")
    _assert_one_message(ended, reason)
    assert not out.exists() or not list(out.iterdir())


def _assert_one_message(ended, reason: str) -> None:
    message, _, hint = ended.err.strip().rpartition("\n  ")
    assert ended.code == 1 and ended.out == "" and "Traceback" not in ended.err
    assert ended.err.count("Error: ") == 1 and ended.err.startswith("Error: ")
    assert pytest.raises(ValueError, match=reason).matches(ValueError(message)) and hint
