"""The note bank hears notes as notes, strokes as strokes and both when they are, and says again what it heard."""

import numpy as np
import pytest
import torch

from acestep_core import UserError
from acestep_plugins.backends.note_bank.bank import Bank, write_bank
from acestep_plugins.backends.note_bank.codec import NoteBank

RATE_HZ, HOP, TONES = 48_000, 1920, 60
KICK, SNARE, HAT, AIR = range(60, 64)


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    write_bank(folder, Bank())
    return NoteBank(folder)


def hz(channel):
    """Equal temperament from C2 up, A4 being 440 Hz."""
    return 440.0 * 2 ** ((channel - 33) / 12)


def tone(channel, seconds=1.6, amplitude=0.1, start_s=0.0, phase=0.5):
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return amplitude * np.sin(2 * np.pi * hz(channel) * t + phase) * (t >= start_s)


def heard(codec, mono):
    """Amplitudes [T, 64]."""
    latents = codec.encode(np.stack([mono, mono]).astype(np.float32), seed=0)
    return codec.bank.amplitudes(latents)


def music(seconds=4.0):
    """A chord every half second, a bass, and a burst of noise between."""
    rng, mono = np.random.default_rng(0), np.zeros(round(seconds * RATE_HZ))
    t = np.arange(round(0.5 * RATE_HZ)) / RATE_HZ
    for beat in range(round(seconds * 2) - 1):
        at, root = beat * len(t), (12, 17, 19, 12)[beat % 4]
        for note in (root - 12, root + 12, root + 16, root + 19):
            mono[at : at + len(t)] += 0.08 * np.sin(2 * np.pi * hz(note) * t) * np.exp(-3 * t) * np.minimum(1, t / 0.01)
        mono[at + len(t) // 2 :][: len(t)] += 0.1 * rng.standard_normal(len(t)) * np.exp(-40 * t)
    return mono


@pytest.mark.parametrize("amplitude", [0.3, 0.03, 0.003])
def test_a_steady_tone_is_in_its_channel_alone_at_its_amplitude(codec, amplitude):
    for channel in range(TONES):
        found = heard(codec, tone(channel, amplitude=amplitude))[14:26]
        assert np.abs(found[:, channel] / amplitude - 1).max() < 0.03, channel
        assert np.delete(found, channel, axis=1).max() < 0.02 * amplitude, channel


@pytest.mark.parametrize("cents", [-30, 30])
def test_a_tone_out_of_tune_is_in_the_nearest_channel(codec, cents):
    for channel in range(0, TONES, 7):
        found = heard(codec, tone(channel + cents / 100))[14:26]
        assert np.abs(found[:, channel] / 0.1 - 1).max() < 0.05
        assert np.delete(found, channel, axis=1).max() < 0.01


@pytest.mark.parametrize("channel", range(0, TONES - 1, 3))
def test_two_notes_a_semitone_apart_are_both_heard(codec, channel):
    found = heard(codec, tone(channel, 2.4) + tone(channel + 1, 2.4, phase=1.5))[12:48]
    level = np.sqrt(np.mean(found**2, axis=0))
    assert np.all(np.abs(level[channel : channel + 2] / 0.1 - 1) < 0.1)
    assert np.delete(level, [channel, channel + 1]).max() < 0.01


@pytest.mark.parametrize("channel", [0, 7, 14, 26, 40, 59])
@pytest.mark.parametrize("start_s", [0.8, 0.813, 0.827])
def test_an_attack_lies_within_a_frame_of_where_it_was(codec, channel, start_s):
    found = heard(codec, tone(channel, start_s=start_s))[:, channel]
    first = int(np.argmax(found > 0.05))
    assert abs(first - int(start_s * 25)) <= 1
    assert found[: int(start_s * 25) - 1].max() < 0.012 and found[first + 1 : 30].min() > 0.08


@pytest.mark.parametrize("channel", [4, 16, 28, 40])
def test_a_note_repeated_four_times_a_second_is_as_many_attacks(codec, channel):
    t = np.arange(RATE_HZ // 4) / RATE_HZ
    note = 0.3 * np.sin(2 * np.pi * hz(channel) * t) * np.exp(-6 * t) * np.minimum(1, t / 0.004)
    found = heard(codec, np.concatenate([np.zeros(RATE_HZ // 2), *[note] * 5, np.zeros(RATE_HZ // 2)]))[:, channel]
    for start in range(5):
        stroke = found[int(12.5 + 6.25 * start) :][:6]
        assert stroke[:3].max() > 1.5 * stroke[4:].min()


def test_a_chord_is_no_noise_and_a_burst_is_no_note(codec):
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    struck = np.minimum(1, t / 0.004) * np.exp(-3 * t)
    chord = sum(0.1 / n * np.sin(2 * np.pi * n * hz(c) * t) for c in (24, 28, 31) for n in range(1, 9)) * struck
    found = heard(codec, np.concatenate([np.zeros(RATE_HZ), chord]))
    assert found[:45, TONES:].max() < 0.002 and found[:, :TONES].max() > 0.05
    hiss = 0.1 * np.random.default_rng(1).standard_normal(RATE_HZ) * np.exp(-30 * t[:RATE_HZ])
    found = heard(codec, np.concatenate([np.zeros(RATE_HZ), hiss]))
    powers = np.sum(found[:, :TONES] ** 2) / 2, np.sum(found[:, TONES:] ** 2)
    assert powers[0] < 0.02 * powers[1]
    assert np.all(found[24:27, [SNARE, HAT, AIR]].max(axis=0) > 0.01) and found[:23].max() < 0.003


def test_a_kick_is_neither_note_nor_snare(codec):
    t = np.arange(RATE_HZ) / RATE_HZ
    kick = 0.4 * np.sin(2 * np.pi * (45 * t + 0.85 * (1 - np.exp(-20 * t)))) * np.exp(-14 * t)
    found = heard(codec, np.concatenate([np.zeros(RATE_HZ), kick]))
    assert found[25:27, KICK].max() > 0.1 and np.delete(found, KICK, axis=1).max() < 0.02
    assert found[:23].max() < 0.01


def test_what_was_decoded_is_heard_as_it_was(codec):
    once = codec.encode(np.stack([music()] * 2).astype(np.float32), 0)
    sound = codec.decode(once)
    again = codec.encode(sound, 0)
    assert np.abs(again - once)[:, :TONES].mean() < 0.15
    level = [20 * np.log10(np.sqrt(np.mean(x**2))) for x in (music(), sound[0], codec.decode(again)[0])]
    assert abs(level[1] - level[0]) < 2 and abs(level[2] - level[1]) < 1


def test_a_shift_by_a_channel_is_a_transposition(codec):
    low, high = (heard(codec, tone(c) + tone(c + 7)) for c in (20, 23))
    assert np.allclose(low[14:26, 10:40], high[14:26, 13:43], atol=0.01)


@pytest.mark.parametrize("tile", [1, 7, 50])
def test_tiles_and_pieces_equal_the_whole(codec, tmp_path, tile):
    write_bank(tmp_path, codec.bank)
    wave = np.stack([music()] * 2).astype(np.float32)
    whole, tiled = NoteBank(tmp_path, 10_000), NoteBank(tmp_path, tile)
    latents = whole.encode(wave, 0)
    assert np.abs(tiled.encode(wave, 0) - latents).max() < 1e-4
    decoded = whole.decode(latents)
    pieces = list(tiled.pieces(torch.from_numpy(latents)))
    assert [p.shape[1] for p in pieces[:-1]] == [tile * HOP] * (len(pieces) - 1)
    assert np.abs(np.concatenate(pieces, axis=1) - decoded).max() < 1e-5


def test_every_seed_gives_the_same_and_both_ears_hear_it(codec):
    wave = np.stack([music(), np.zeros_like(music())]).astype(np.float32)
    latents = codec.encode(wave, 1)
    assert np.array_equal(latents, codec.encode(wave, 2)) and latents.dtype == np.float32
    left, right = codec.decode(latents)
    assert np.array_equal(left, right) and np.array_equal(codec.decode(latents)[0], left)


def test_silence_is_silence_and_constant(codec):
    latents = codec.encode(np.zeros((2, 5 * HOP), np.float32), 0)
    assert np.array_equal(latents, np.repeat(latents[:1], 5, axis=0))
    assert not codec.decode(latents).any() and not codec.decode(latents - 3).any()


@pytest.mark.parametrize("samples", [1, 7, HOP - 1, HOP, HOP + 1, 10 * HOP + 777])
def test_any_length_has_a_frame_for_each_begun_hop(codec, samples):
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (2, samples)).astype(np.float32)
    latents = codec.encode(wave, 0)
    assert latents.shape == (-(-samples // HOP), 64) and np.isfinite(latents).all()
    assert codec.decode(latents).shape == (2, len(latents) * HOP)


def test_nothing_is_louder_than_full_scale_whatever_a_model_makes(codec):
    wild = torch.randn(40, 64, generator=torch.Generator().manual_seed(0)) * 8
    assert np.abs(codec.decode(wild)).max() <= 1.0


def test_decoded_sound_has_no_clicks(codec):
    """Of a tone that comes and goes, no step is larger than a sine of its loudness has, but for the ramp."""
    latents = codec.bank.latents(np.zeros((60, 64)))
    loud = codec.bank.latents(np.where(np.arange(64) == 9, 0.5, 0.0)[None])
    latents[10:20], latents[31:33] = loud, loud
    steps = np.abs(np.diff(codec.decode(latents)[0]))
    assert steps.max() < 0.5 * (2 * np.pi * hz(9) / RATE_HZ + 1 / (0.15 * HOP)) * 1.05


def test_a_sound_that_is_no_number_is_refused(codec):
    wave = np.zeros((2, HOP), np.float32)
    wave[0, 5] = np.nan
    with pytest.raises(UserError, match="no numbers"):
        codec.encode(wave, 0)
