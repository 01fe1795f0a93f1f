"""The codec in tiles equals the codec in one piece, at the real strides and kernels, for any length."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from acestep_plugins.backends.pt.codec import Codec, oobleck
from acestep_plugins.backends.pt.device import choose

HOP = 1920
INAUDIBLE_DB = -60.0
NARROW = {"channel_multiples": [1, 1, 1, 1, 1], "decoder_channels": 8}
REAL = {"channel_multiples": [1, 2, 4, 8, 16], "decoder_channels": 128}


@pytest.fixture(scope="module")
def make_codec(tmp_path_factory):
    """make_codec(tile_frames, **sizes): random weights; every call with the same sizes gives the same."""
    folders = {}

    def make(tile_frames, **sizes):
        key = json.dumps(sizes)
        if key not in folders:
            folders[key] = written(tmp_path_factory.mktemp("codec"), sizes)
        return Codec(folders[key], choose("cpu", "float32"), tile_frames)

    return make


def written(folder, sizes):
    config = {"encoder_hidden_size": 128, "downsampling_ratios": [2, 4, 4, 6, 10], "decoder_input_channels": 64,
              "audio_channels": 2, "sampling_rate": 48000, **sizes}  # fmt: skip
    torch.manual_seed(0)
    vae = oobleck(**config)
    with torch.no_grad():
        vae.encoder.conv2.bias[64:] = -20.0  # a posterior without spread: what is compared is the mean
    (folder / "config.json").write_text(json.dumps(config))
    save_file(vae.state_dict(), folder / "diffusion_pytorch_model.safetensors")
    return folder


def below_db(result, wanted):
    """Largest difference against the peak of what is wanted."""
    return 20 * np.log10(np.abs(result - wanted).max() / np.abs(wanted).max() + 1e-12)


def check_decode(whole, tiled, frames):
    latents = torch.randn(frames, 64, generator=torch.Generator().manual_seed(frames))
    wave = whole.decode(latents)
    assert wave.shape == (2, frames * HOP) and np.abs(wave).max() > 0
    assert below_db(tiled.decode(latents), wave) < INAUDIBLE_DB
    return latents, wave


def check_encode(whole, tiled, samples):
    wave = np.random.default_rng(samples).uniform(-0.5, 0.5, (2, samples)).astype(np.float32)
    latents = whole.encode(wave, seed=0)
    assert latents.shape == (-(-samples // HOP), 64)
    assert below_db(tiled.encode(wave, seed=0), latents) < INAUDIBLE_DB


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 33, 90])
def test_decoding_in_tiles_of_16_frames(make_codec, frames):
    check_decode(make_codec(1000, **NARROW), make_codec(16, **NARROW), frames)


@pytest.mark.parametrize("samples", [1, HOP - 1, 15 * HOP + 7, 16 * HOP, 16 * HOP + 1, 35 * HOP + 777])
def test_encoding_in_tiles_of_16_frames(make_codec, samples):
    check_encode(make_codec(1000, **NARROW), make_codec(16, **NARROW), samples)


def test_the_comparison_hears_a_tile_that_sees_too_little(make_codec, monkeypatch):
    monkeypatch.setattr("acestep_plugins.backends.pt.codec.DECODE_OVERLAP", 1)
    with pytest.raises(AssertionError):
        check_decode(make_codec(1000, **NARROW), make_codec(16, **NARROW), 33)


@pytest.mark.slow
def test_the_real_codec_in_tiles(make_codec):
    whole, tiled = make_codec(1000, **REAL), make_codec(16, **REAL)
    check_decode(whole, tiled, 35)
    check_encode(whole, tiled, 35 * HOP - 5)


def test_no_window_is_larger_than_the_tile_and_its_overlaps(make_codec, monkeypatch):
    """So memory is bounded by the tile, whatever the length."""
    codec, seen = make_codec(16, **NARROW), []
    decode = codec.vae.decode
    monkeypatch.setattr(codec.vae, "decode", lambda z: seen.append(z.shape[-1]) or decode(z))
    codec.decode(torch.zeros(120, 64))
    assert max(seen) == 16 + 2 * 12 and len(seen) == 8


def test_a_sound_that_comes_again_is_heard_once_and_drawn_anew(make_codec, monkeypatch):
    codec, waves = make_codec(16, **NARROW), np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2, 20 * 1920))
    first, other = waves.astype(np.float32)
    encode, heard = codec.vae.encode, []
    monkeypatch.setattr(codec.vae, "encode", lambda x: heard.append(x.shape) or encode(x))
    once, again, drawn = codec.encode(first, 1), codec.encode(first.copy(), 1), codec.encode(first, 2)
    assert len(heard) == 2 and np.array_equal(once, again) and not np.array_equal(once, drawn)
    assert not np.array_equal(codec.encode(other, 1), once) and len(heard) == 4
