"""What is composed is what is said of it: key, tempo, metre, words; and the held-out style stays out."""

import hashlib
import math
from collections import Counter

import pytest
from acestep_nano.composing import compose
from acestep_nano.pieces import HELD_OUT, METRES, MODES, STYLES, Piece, held_out

from acestep_core.data import CHECKS
from acestep_core.errors import UserError

PIECES = [compose(seed) for seed in range(200)]
NOTES = {"C": 0, "C#": 1, "Db": 1, "D": 2, "Eb": 3, "E": 4, "F": 5, "F#": 6, "G": 7, "G#": 8, "Ab": 8, "A": 9, "Bb": 10,
         "B": 11}  # fmt: skip
STEPS = {
    ("major", "major"): {0, 2, 4, 5, 7, 9, 11}, ("minor", "minor"): {0, 2, 3, 5, 7, 8, 10},
    ("dorian", "minor"): {0, 2, 3, 5, 7, 9, 10}, ("pentatonic", "major"): {0, 2, 4, 7, 9},
    ("pentatonic", "minor"): {0, 3, 5, 7, 10},
}  # fmt: skip
BEATS = {"2": 2, "3": 3, "4": 4, "6": 2}


def above_tonic(piece: Piece, pitch: int) -> int:
    return (pitch - NOTES[piece.keyscale.split()[0]]) % 12


def bars(piece: Piece) -> int:
    return int(piece.seconds / (60 / piece.bpm * BEATS[piece.timesignature]) + 1e-6)


def of_bar(piece: Piece, bar: int) -> set[int]:
    """Semitones above the tonic of what begins in a bar."""
    bar_s = 60 / piece.bpm * BEATS[piece.timesignature]
    return {above_tonic(piece, n.pitch) for n in piece.notes if bar <= n.start_s / bar_s + 1e-6 < bar + 1}


def test_every_pitch_is_of_the_scale_or_the_leading_tone_of_a_minor_dominant():
    for piece in PIECES:
        steps = STEPS[piece.mode, piece.keyscale.split()[1]]
        for bar in range(bars(piece)):
            strange = of_bar(piece, bar) - steps
            leading = piece.mode in ("minor", "dorian") and strange == {11} and 7 in of_bar(piece, bar)
            assert not strange or leading, (piece.seed, bar)


def test_the_first_and_the_last_bar_are_the_tonic_chord_above_its_root():
    for piece in PIECES:
        third = {"major": 4, "minor": 3}[piece.keyscale.split()[1]]
        for bar in (0, bars(piece) - 1):
            chord = {above_tonic(piece, n.pitch) for n in piece.notes
                     if n.part == "chords" and bar <= n.start_s / piece.bar_s + 1e-6 < bar + 1}  # fmt: skip
            bass = [n for n in piece.notes if n.part == "bass" and abs(n.start_s - bar * piece.bar_s) < 1e-6]
            assert chord == {0, third, 7}, (piece.seed, bar)
            assert [above_tonic(piece, n.pitch) for n in bass] == [0], (piece.seed, bar)


def test_onsets_lie_on_the_grid_and_every_beat_is_marked():
    for piece in PIECES:
        beat_s = 60 / piece.bpm
        fine = 3 if piece.timesignature == "6" else 4
        places = [n.start_s / beat_s * fine for n in piece.notes] + [h.time_s / beat_s * fine for h in piece.hits]
        assert max(abs(p - round(p)) for p in places) < 1e-6, piece.seed
        marked = {round(p / fine) for p in places if round(p) % fine == 0}
        assert marked == set(range(bars(piece) * BEATS[piece.timesignature])), piece.seed


def test_a_piece_is_10_to_20_seconds_of_whole_frames_and_nothing_sounds_beyond_it():
    for piece in PIECES:
        assert 10 <= piece.seconds <= 20 and abs(piece.seconds * 25 - round(piece.seconds * 25)) < 1e-6
        assert all(n.duration_s > 0.03 and n.start_s + n.duration_s < piece.seconds for n in piece.notes)
        assert all(36 <= n.pitch <= 95 and 1 <= n.velocity <= 127 for n in piece.notes)
        assert bool(piece.hits) == piece.drums


def test_labels_are_those_of_the_product():
    for piece in PIECES:
        for name, value in (("bpm", piece.bpm), ("keyscale", piece.keyscale), ("timesignature", piece.timesignature),
                            ("language", piece.language)):  # fmt: skip
            assert CHECKS[name](value) == value
        assert 60 <= piece.bpm <= 180 and piece.style in STYLES and piece.mode in MODES


def test_everything_comes_about_as_often_as_it_should():
    many = [compose(seed) for seed in range(1000, 2200)]
    keys, styles = (Counter(getattr(p, name) for p in many) for name in ("keyscale", "style"))
    assert len(keys) == 24 and max(keys.values()) < 2 * min(keys.values())
    assert max(styles.values()) < 1.4 * min(styles.values())
    assert set(Counter(p.timesignature for p in many)) == set(METRES)
    assert abs(sum(p.drums for p in many) / len(many) - 0.5) < 0.05
    assert abs(sum(bool(p.lyrics) for p in many) / len(many) - 1 / 3) < 0.06
    slower = sum(p.bpm < math.sqrt(60 * 180) for p in many) / len(many)
    assert abs(slower - 0.5) < 0.05
    assert not any(map(held_out, many + PIECES))


@pytest.mark.parametrize("left_out", HELD_OUT)
def test_the_held_out_style_needs_to_be_asked_for_in_full(left_out):
    asked = {k: v for k, v in HELD_OUT.items() if k != left_out}
    assert not any(held_out(compose(seed, **asked)) for seed in range(60))
    assert all(held_out(compose(seed, **HELD_OUT)) for seed in range(10))


def test_a_song_has_one_note_of_the_melody_for_each_syllable():
    sung = [p for p in PIECES if p.lyrics]
    assert {p.language for p in sung} == {"en", "zh", "ja"}
    for piece in sung:
        lines = [line for line in piece.lyrics.splitlines() if line and not line.startswith("[")]
        notes = sum(n.part == "melody" for n in piece.notes)
        if piece.language == "en":
            assert notes >= sum(len(line.split()) for line in lines)
        else:
            assert notes == sum(len(line.replace(" ", "")) for line in lines), piece.lyrics
        assert piece.lyrics.startswith("[Verse]\n")
    assert all(p.language == "unknown" for p in PIECES if not p.lyrics)


def test_known_words_have_as_many_syllables_as_are_sung():
    from acestep_nano.words import ENGLISH, syllables

    known = {"river": 2, "rain": 1, "remember": 3, "over the hill": 4, "mountain": 2, "again": 2, "quiet": 2, "blue": 1}
    found = {w.replace("·", ""): syllables(w, "en") for choice in ENGLISH.values() for w in choice.split(", ")}
    assert {word: found[word] for word in known} == known


def test_the_same_seed_is_the_same_piece_and_another_is_another():
    assert compose(7) == compose(7) != compose(8)
    words = f"{compose(7)}{compose(11, style='melody')}".encode()
    assert hashlib.sha256(words).hexdigest()[:12] == "894f3986af88"


def test_asking_for_one_thing_leaves_the_others():
    plain, drummed = compose(21, drums=False), compose(21, drums=True)
    assert plain.notes == drummed.notes and not plain.hits and drummed.hits
    asked = compose(21, key="C# major", bpm=77, seconds=12.48)
    assert (asked.keyscale, asked.bpm, asked.seconds, asked.style) == ("C# major", 77, 12.48, plain.style)


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"style": "polka"}, "no style 'polka'"), ({"bpm": 20}, "20 BPM"), ({"key": "H minor"}, "no key"),
     ({"seconds": 60}, "60 s"), ({"style": "waltz", "metre": "4"}, "waltz is in 3"),
     ({"mode": "minor", "key": "C major"}, "not minor"), ({"mode": "dorian", "key": "C major"}, "C minor")],
)  # fmt: skip
def test_what_is_not_composed_is_told(asked, said):
    with pytest.raises(UserError) as told:
        compose(0, **asked)
    assert said in str(told.value) and told.value.hint


@pytest.mark.parametrize("seconds", [10, 13.4, 20])
def test_any_length_and_tempo_go_together(seconds):
    for seed in range(60):
        piece = compose(seed, seconds=seconds, bpm=(60, 111, 180)[seed % 3])
        assert abs(piece.seconds - seconds) <= 0.02 and of_bar(piece, 0) & {0}
