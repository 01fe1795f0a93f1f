"""A checkpoint whose codec is a note bank: its config is all there is, and everything works with it."""

import json

import numpy as np
import pytest
import soundfile

from acestep_core import EncodeSettings, UserError, encode, load_backend
from acestep_core.checkpoint import open_checkpoint, weight_files
from acestep_core.installed import examine, installed
from acestep_core.registry import registry
from acestep_plugins.backends.note_bank.bank import Bank, read_bank, write_bank
from acestep_plugins.backends.note_bank.codec import NoteBank


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A tiny checkpoint beside a note bank that was there before."""
    folder = tmp_path_factory.mktemp("bank") / "models"
    (folder / "vae").mkdir(parents=True)
    write_bank(folder / "vae", Bank())
    registry().make("backends", "pt").write_tiny(folder, "turbo")
    return folder


def changed(folder, **values):
    """Its config with other values; None takes one out."""
    content = json.loads((folder / "config.json").read_text(encoding="utf-8")) | values
    text = json.dumps({k: v for k, v in content.items() if v is not None})
    (folder / "config.json").write_text(text, encoding="utf-8")


def test_a_config_says_all_and_is_read_as_written(tmp_path):
    bank = Bank(lowest_pitch=48, tone_floor=0.01, noise_stds=(1.0, 2.0, 3.0, 4.0))
    write_bank(tmp_path, bank)
    assert read_bank(tmp_path) == bank
    loud = np.linspace(0, 1, 64 * 3).reshape(3, 64)
    assert np.allclose(bank.amplitudes(bank.latents(loud)), loud, atol=1e-6)


def test_the_config_decides_what_is_heard(tmp_path):
    write_bank(tmp_path, Bank(lowest_pitch=48))
    t = np.arange(96_000) / 48_000
    codec = NoteBank(tmp_path)
    latents = codec.encode(np.stack([0.1 * np.sin(2 * np.pi * 440 * t)] * 2).astype(np.float32), 0)
    assert codec.bank.amplitudes(latents)[20].argmax() == 69 - 48


@pytest.mark.parametrize(
    "values, told",
    [
        ({"tone_std": 0}, "tone_std is 0 and no number above 0"),
        ({"tone_mean": "loud"}, "tone_mean is 'loud' and no number"),
        ({"hop_length": 512}, "hop_length is 512 and can be 1920 alone"),
        ({"version": 2}, "version is 2 and can be 1 alone"),
        ({"noise_stds": [1, 1]}, r"noise_stds is \[1, 1\] and not 4 numbers above 0"),
        ({"noise_bands_hz": [[9, 1]] * 4}, "not 4 pairs of rising frequencies"),
        ({"noise_seed": 1.5}, "noise_seed is 1.5"),
        ({"tone_floor": None, "noise_means": None}, "lacks tone_floor, noise_means"),
        ({"tone_std": -1, "tuning_hz": True}, "tone_std is -1.*tuning_hz is True"),
    ],
)
def test_a_wrong_number_is_one_clear_error(tmp_path, values, told):
    write_bank(tmp_path, Bank())
    changed(tmp_path, **values)
    with pytest.raises(UserError, match=told):
        NoteBank(tmp_path)


def test_a_codec_that_nobody_knows_is_refused_by_name(tmp_path):
    write_bank(tmp_path, Bank())
    changed(tmp_path, _class_name="TapeLoop")
    with pytest.raises(UserError, match="names the codec 'TapeLoop'"):
        registry().make("backends", "pt").load("codec", tmp_path)


def test_a_folder_without_weights_is_complete_and_named_by_its_config(models):
    assert weight_files(models / "vae") == [] and not examine(models / "vae").problems
    assert [p.kind for p in installed(models) if p.name == "vae"] == ["codec"]
    one = open_checkpoint(models).hash("codec")
    text = (models / "vae" / "config.json").read_text(encoding="utf-8")
    try:
        (models / "vae" / "config.json").write_text(json.dumps(json.loads(text)), encoding="utf-8")
        assert open_checkpoint(models).hash("codec") == one  # written otherwise, it says the same
        changed(models / "vae", noise_seed=1)
        assert open_checkpoint(models).hash("codec") != one
    finally:
        (models / "vae" / "config.json").write_text(text, encoding="utf-8")


def test_it_is_shown_and_planned(models, cli):
    assert cli("models", "show", models).code == 0
    assert "complete" in cli("models", "list", models).out
    planned = cli("models", "plan", models, "--json")
    assert planned.code == 0, planned.err


def test_it_encodes_songs_and_makes_clips_with_a_record(models, tmp_path, make_song, cli):
    model = load_backend("pt", model=models, device="cpu", dtype="float32")
    assert isinstance(model.codec, NoteBank) and set(model.hashes) == {"text", "codec", "dit"}
    make_song(tmp_path / "songs" / "a.wav", 6.0, 220.0, "bells")
    result = encode(tmp_path / "songs", model, tmp_path / "encoded", EncodeSettings(seed=0))
    assert list(result.encoded) == ["a.wav"] and not result.problems
    out = tmp_path / "out.wav"
    made = cli("generate", "--model", models, "--caption", "bells", "--duration", 6, "--seed", 1, "--steps", 1,
               "-o", "backend.device=cpu", "--out", out)  # fmt: skip
    assert made.code == 0, made.err
    wave, _ = soundfile.read(out)
    assert wave.shape == (6 * 48_000, 2) and np.abs(wave).max() > 0.1
    record = json.loads(out.with_name("out.wav.json").read_text(encoding="utf-8"))
    assert record["model"]["hashes"]["codec"] == open_checkpoint(models).hash("codec")


def test_the_model_knows_the_silence_of_its_codec(models):
    model = load_backend("pt", model=models, device="cpu", dtype="float32")
    silence = model.dit.numpy(model.dit.silence_frames(10))
    assert np.abs(silence - model.codec.encode(np.zeros((2, 19_200), np.float32), 0)).max() < 0.01
    assert np.abs(model.codec.decode(silence)).max() < 1e-3
