"""What decides between readings of the same pulse: drums, chords, subdivisions, and the order of the chords."""

import numpy as np
import pytest

from acestep_plugins.annotators.changes import chord_changes
from acestep_plugins.annotators.chords import key_chances
from acestep_plugins.annotators.key import MAJOR_NAMES, MINOR_NAMES
from acestep_plugins.annotators.tempo_key import RATE_HZ, analyse_wave

SEGMENT_S = 0.37
CHORDS = {"C": (0, 4, 7), "Dm": (2, 5, 9), "F": (5, 9, 0), "G": (7, 11, 2), "Am": (9, 0, 4), "E": (4, 8, 11)}


def stereo(mono: np.ndarray) -> np.ndarray:
    return np.stack([mono, mono]).astype(np.float32)


def tone(pitches: tuple[int, ...], seconds: float, decay: float = 3.0) -> np.ndarray:
    """Plucked tones of four partials."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    hz = [440 * 2 ** ((p - 69) / 12) for p in pitches]
    sound = sum(0.5**n * np.sin(2 * np.pi * f * (n + 1) * t) for f in hz for n in range(4))
    return sound * np.exp(-decay * t) * np.minimum(1, 200 * t)


def strike(kind: str) -> np.ndarray:
    t = np.arange(round(0.15 * RATE_HZ)) / RATE_HZ
    hiss = np.random.default_rng(0).standard_normal(len(t))
    if kind == "kick":
        return 1.5 * np.sin(2 * np.pi * 60 * t) * np.exp(-25 * t)
    if kind == "snare":
        return 0.5 * hiss * np.exp(-30 * t)
    return 0.2 * np.diff(hiss, prepend=0.0) * np.exp(-80 * t)


def place(mono: np.ndarray, sound: np.ndarray, second: float) -> None:
    part = mono[round(second * RATE_HZ) :][: len(sound)]
    part += sound[: len(part)]


def song(bpm: float, names: list[str], beats_each: int, split: tuple[float, ...] = (0.0,)) -> np.ndarray:
    """Chords struck alike at each part of each beat."""
    beat_s = 60 / bpm
    count = len(names) * beats_each
    mono = np.zeros(round((count * beat_s + 1) * RATE_HZ))
    for beat in range(count):
        pitches = CHORDS[names[beat // beats_each]]
        for at in split:
            sound = 0.2 * tone((36 + pitches[0], *(60 + p for p in pitches)), 0.9 * beat_s / len(split))
            place(mono, sound, (beat + at) * beat_s)
    return stereo(mono)


def drums(bpm: float, seconds: float = 20.0) -> np.ndarray:
    """Kick on one and three, snare on two and four, hats on eighths: nothing else says how fast it is."""
    mono = np.zeros(round((seconds + 1) * RATE_HZ))
    for eighth in range(int(seconds * bpm / 30)):
        place(mono, strike("hat"), eighth * 30 / bpm)
        if eighth % 2 == 0:
            place(mono, strike("snare" if eighth % 4 else "kick"), eighth * 30 / bpm)
    return stereo(mono)


@pytest.mark.parametrize("bpm", [90, 120, 164])
def test_kick_and_snare_in_turn_tell_the_beat_from_its_octaves(bpm):
    found = analyse_wave(drums(bpm))
    assert abs(found.bpm - bpm) < 1 and found.timesignature == "4"


@pytest.mark.parametrize(("beats_each", "metre"), [(3, "3"), (4, "4")])
def test_chords_alone_tell_three_from_four(beats_each, metre):
    found = analyse_wave(song(120, ["C", "Am", "F", "G"] * 4, beats_each))
    assert found.timesignature == metre and abs(found.bpm - 120) < 1


def test_thirds_of_the_beat_are_six_eight_and_a_shuffle_with_chords_every_four_beats_is_four():
    thirds = analyse_wave(song(85, ["C", "F", "G", "C"] * 5, 2, (0.0, 1 / 3, 2 / 3)))
    shuffle = analyse_wave(song(120, ["C", "F", "G", "C"] * 3, 4, (0.0, 2 / 3)))
    assert thirds.timesignature == "6" and abs(thirds.bpm - 85) < 1
    assert shuffle.timesignature == "4" and abs(shuffle.bpm - 120) < 1


def test_beats_added_here_and_there_in_a_long_song_hide_neither_metre_nor_tempo():
    beat = 60 / 132
    part = song(132, ["C", "Am", "F", "G"] * 5, 3)[:, : round(61 * beat * RATE_HZ)]  # the last beat is silent
    found = analyse_wave(np.concatenate([part] * 3, axis=1))
    assert found.timesignature == "3" and found.metre_confidence > 0.6 and abs(found.bpm - 132) < 1


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_told_unsurely(seed):
    found = analyse_wave(stereo(0.1 * np.random.default_rng(seed).standard_normal(15 * RATE_HZ)))
    assert max(found.bpm_confidence, found.metre_confidence, found.key_confidence) < 0.45


def test_very_quiet_music_is_heard():
    wave = song(110, ["C", "F", "G", "C"] * 3, 4)
    loud, quiet = analyse_wave(wave), analyse_wave(wave * 0.003)
    assert quiet.keyscale == loud.keyscale == "C major"
    assert quiet.timesignature == loud.timesignature and abs(quiet.bpm - loud.bpm) < 0.1


def chroma_of(names: list[str], segments_each: int) -> tuple[np.ndarray, np.ndarray]:
    full, bass = np.zeros((2, len(names) * segments_each, 12))
    for i, name in enumerate(names):
        rows = slice(i * segments_each, (i + 1) * segments_each)
        full[rows, list(CHORDS[name])] = 1 / 3
        bass[rows, CHORDS[name][0]] = 1.0
    return full, bass


def key_of(names: list[str]) -> str:
    best = int(key_chances(*chroma_of(names, 5), SEGMENT_S).argmax())
    return f"{MINOR_NAMES[best - 12]} minor" if best >= 12 else f"{MAJOR_NAMES[best]} major"


def test_the_same_chords_are_another_key_in_another_order():
    assert key_of(["C", "G", "Am", "F"] * 2 + ["C"]) == "C major"
    assert key_of(["Am", "F", "C", "G"] * 2 + ["Am"]) == "A minor"


def test_a_key_is_found_where_a_piece_begins_elsewhere_and_ends_on_its_dominant():
    assert key_of(["F", "G", "C", "Am", "Dm", "G", "C", "G"]) == "C major"
    assert key_of(["Dm", "E", "Am", "F", "Dm", "E", "Am", "E"]) == "A minor"


def test_moving_all_chords_moves_the_key():
    full, bass = chroma_of(["C", "F", "G", "C"], 5)
    chances = key_chances(full, bass, SEGMENT_S)
    moved = key_chances(np.roll(full, 3, axis=1), np.roll(bass, 3, axis=1), SEGMENT_S)
    np.testing.assert_allclose(moved, np.roll(chances.reshape(2, 12), 3, axis=1).ravel(), rtol=1e-9)


def test_chords_change_where_they_do_and_not_where_the_melody_leaves_them():
    full, bass = chroma_of(["C", "F", "G", "C"], 20)
    melody = np.random.default_rng(0).integers(0, 12, len(full) // 4).repeat(4)
    full[np.arange(len(full)), melody] += 0.6
    chance = chord_changes(full, bass, 10.0)
    for frame in (20, 40, 60):
        assert chance[frame - 2 : frame + 3].max() > 0.8
    away = np.min([np.abs(np.arange(len(chance)) - frame) for frame in (20, 40, 60)], axis=0) > 5
    assert chance[away].max() < 0.3


def test_what_is_told_surely_is_right_and_noise_lowers_confidence():
    rng = np.random.default_rng(1)
    told, sure = [], []
    for loudness in (0.0, 0.3, 3.0):
        for bpm in (80, 100, 125, 150):
            wave = song(bpm, ["C", "Am", "F", "G", "C"] * 3, 4)
            found = analyse_wave(wave + (loudness * wave.std() * rng.standard_normal(wave.shape)).astype(np.float32))
            told.append((found.keyscale == "C major", abs(found.bpm / bpm - 1) < 0.04, found.timesignature == "4"))
            sure.append((found.key_confidence, found.bpm_confidence, found.metre_confidence))
    told, sure = np.array(told), np.array(sure)
    assert (sure >= 0).all() and (sure <= 1).all()
    assert (sure[:4].mean(axis=0) > sure[-4:].mean(axis=0)).all()
    surest = sure >= np.median(sure, axis=0)
    assert told[surest].mean() > 0.9 and told[surest].mean() >= told[~surest].mean()
