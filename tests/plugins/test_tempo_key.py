"""Tempo, key and metre of sounds whose truth is known: clicks, cadences made of sines, and the example songs."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from acestep_core import UserError
from acestep_core.data import Song
from acestep_plugins.annotators.tempo_key import RATE_HZ, Analysis, TempoKey, analyse, analyse_wave

SONGS = Path(__file__).parents[2] / "examples" / "songs"
EXAMPLES = {
    "harbour_waltz.flac": (144, "D major", "3"),
    "Night Bus Home.mp3": (92, "C minor", "4"),
    "夜の電車.opus": (116, "F# minor", "4"),
    "lantern_tide.ogg": (72, "Bb major", "6"),
    "ember_road.wav": (168, "E minor", "4"),
    "paper_boats.mp3": (132, "F major", "4"),
}
OCTAVES = (1, 2, 3, 1 / 2, 1 / 3)
MAJOR, MINOR = (0, 4, 7), (0, 3, 7)
# root above the tonic and chord: I IV V I, and in minor with the raised seventh in V
CADENCE = {"major": ((0, MAJOR), (5, MAJOR), (7, MAJOR), (0, MAJOR)),
           "minor": ((0, MINOR), (5, MINOR), (7, MAJOR), (0, MINOR))}  # fmt: skip


def stereo(mono: np.ndarray) -> np.ndarray:
    return np.stack([mono, mono]).astype(np.float32)


def click(hz: float, seconds: float = 0.05) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.sin(2 * np.pi * hz * t) * np.exp(-t * 80)


def clicks(bpm: float, accents: tuple[float, ...] = (1.0,), seconds: float = 20.0) -> np.ndarray:
    """A click at each beat, the accents repeated bar by bar."""
    mono = np.zeros(round(seconds * RATE_HZ) + RATE_HZ)
    for i in range(int(seconds * bpm / 60)):
        place = round(i * 60 / bpm * RATE_HZ)
        sound = accents[i % len(accents)] * click(1500.0)
        mono[place : place + len(sound)] += sound
    return stereo(mono)


def chord(root: int, kind: tuple[int, ...], seconds: float, cents: float = 0.0) -> np.ndarray:
    """A plucked chord with its bass: five partials for each note."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pitches = [36 + root, *(60 + (root + i) % 12 for i in kind)]
    hz = [440 * 2 ** ((p - 69 + cents / 100) / 12) * n for p in pitches for n in range(1, 6)]
    strength = [0.5**n for _ in pitches for n in range(5)]
    tone = sum(s * np.sin(2 * np.pi * f * t) for s, f in zip(strength, hz, strict=True))
    return tone * np.exp(-2 * t) * np.minimum(1, 200 * t)


def cadence(tonic: int, mode: str, cents: float = 0.0) -> np.ndarray:
    chords = [chord((tonic + root) % 12, kind, 0.6, cents) for root, kind in CADENCE[mode] for _ in range(2)]
    return stereo(np.tile(np.concatenate(chords), 3))


def bars(bpm: float, pattern: tuple[float, ...], per_beat: int = 1) -> np.ndarray:
    """Chords that change with the bar, struck as loud as the pattern says, `per_beat` strokes to a beat."""
    stroke_s, parts = 60 / bpm / per_beat, []
    for bar in range(12):
        root, kind = CADENCE["major"][bar % 4]
        parts += [loudness * chord(root, kind, stroke_s) for loudness in pattern]
    return stereo(np.concatenate(parts))


@pytest.mark.parametrize("bpm", [66, 84.5, 97, 120, 141.3, 173])
def test_the_tempo_of_clicks_is_found_within_one_bpm_or_an_octave_is_listed(bpm):
    found = analyse_wave(clicks(bpm))
    assert min(abs(b - bpm) for b in (found.bpm, *(b for b, _ in found.alternatives))) < 1


@pytest.mark.parametrize("bpm", [84.5, 97, 120, 133.7])
def test_a_usual_tempo_is_found_within_one_bpm_and_surely(bpm):
    found = analyse_wave(clicks(bpm))
    assert abs(found.bpm - bpm) < 1 and found.bpm_confidence > 0.4


def test_octaves_of_the_tempo_are_listed_with_their_shares():
    found = analyse_wave(clicks(100))
    assert {50, 200} <= {round(bpm) for bpm, _ in found.alternatives}
    shares = [share for _, share in found.alternatives]
    assert shares == sorted(shares, reverse=True) and all(0 <= s <= 1 for s in shares)


def test_the_expected_tempo_decides_between_octaves():
    slow, fast = (analyse_wave(clicks(160, (1.0, 0.3)), centre).bpm for centre in (60, 220))
    assert abs(slow - 80) < 1 and abs(fast - 160) < 1


@pytest.mark.parametrize("cents", [0, 20, -20])
@pytest.mark.parametrize(
    ("tonic", "mode", "key"),
    [(0, "major", "C major"), (3, "major", "Eb major"), (6, "major", "F# major"), (9, "minor", "A minor"),
     (1, "minor", "C# minor"), (7, "minor", "G minor")],
)  # fmt: skip
def test_the_key_of_a_cadence_is_found_in_and_out_of_tune(tonic, mode, key, cents):
    found = analyse_wave(cadence(tonic, mode, cents))
    assert found.keyscale == key and found.key_confidence > 0.2
    assert abs(found.tuning_cents - cents) < 3


@pytest.mark.parametrize(
    ("metre", "bpm", "pattern", "per_beat"),
    [("4", 110, (1.0, 0.4, 0.6, 0.4), 1), ("3", 120, (1.0, 0.4, 0.4), 1),
     ("6", 80, (1.0, 0.4, 0.4, 0.7, 0.4, 0.4), 3)],
)  # fmt: skip
def test_the_metre_is_found(metre, bpm, pattern, per_beat):
    found = analyse_wave(bars(bpm, pattern, per_beat))
    assert found.timesignature == metre
    assert abs(found.bpm - bpm) < 1.5


def test_silence_and_very_short_sounds_have_nothing():
    assert analyse_wave(np.zeros((2, 10 * RATE_HZ), np.float32)) == Analysis()
    assert analyse_wave(np.full((2, 100), 0.5, np.float32)) == Analysis()
    assert analyse_wave(np.zeros((2, 0), np.float32)) == Analysis()


def test_noise_is_not_told_as_music():
    found = analyse_wave(stereo(0.1 * np.random.default_rng(0).standard_normal(20 * RATE_HZ)))
    assert found.bpm is None or found.bpm_confidence < 0.3
    assert found.keyscale is None or found.key_confidence < 0.3


def test_a_held_tone_has_no_tempo():
    t = np.arange(15 * RATE_HZ) / RATE_HZ
    found = analyse_wave(stereo(0.3 * np.sin(2 * np.pi * 220 * t)))
    assert found.bpm is None and found.timesignature is None


def test_channels_that_cancel_out_are_heard():
    wave = clicks(120)
    wave[1] = -wave[0]
    assert abs(analyse_wave(wave).bpm - 120) < 1


def test_the_same_sound_gives_the_same_answer_at_any_level():
    wave = cadence(2, "minor")
    first, again, quiet = (analyse_wave(w) for w in (wave, wave.copy(), wave / 8))
    assert first == again and (quiet.keyscale, round(quiet.bpm, 2)) == (first.keyscale, round(first.bpm, 2))


def test_the_example_songs_are_heard_as_they_were_written():
    found = {name: analyse(SONGS / name) for name in EXAMPLES}
    assert {n: f.keyscale for n, f in found.items()} == {n: key for n, (_, key, _) in EXAMPLES.items()}
    right = [n for n, (bpm, _, _) in EXAMPLES.items() if any(abs(found[n].bpm / bpm / o - 1) < 0.04 for o in OCTAVES)]
    assert len(right) >= 5
    assert sum(found[n].timesignature == metre for n, (_, _, metre) in EXAMPLES.items()) >= 5


def test_values_below_the_asked_confidence_are_left_out():
    song = Song(SONGS / "harbour_waltz.flac")
    wanted = ("bpm", "keyscale", "timesignature", "caption")
    assert set(TempoKey().annotate(song, wanted)) == {"bpm", "keyscale", "timesignature"}
    assert TempoKey(least=1.0).annotate(song, wanted) == {}


def test_a_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path):
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.full((RATE_HZ, 2), np.nan, np.float32), RATE_HZ, subtype="FLOAT")
    with pytest.raises(UserError, match="NaN"):
        TempoKey().annotate(Song(path), ["bpm"])
