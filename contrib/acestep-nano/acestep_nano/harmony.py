"""Keys, scales and progressions whose cadences leave no doubt about the tonic."""

import random
from dataclasses import dataclass

TONICS = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
SCALES = {
    ("major", "major"): (0, 2, 4, 5, 7, 9, 11),
    ("minor", "minor"): (0, 2, 3, 5, 7, 8, 10),
    ("dorian", "minor"): (0, 2, 3, 5, 7, 9, 10),
    ("pentatonic", "major"): (0, 2, 4, 7, 9),
    ("pentatonic", "minor"): (0, 3, 5, 7, 10),
}  # of a mode, by its third
# Semitones of the root above the tonic, and of the chord's notes above the root. A 5 has no third: pentatonic scales
# have none there.
CHORDS = {
    "I": (0, (0, 4, 7)), "ii": (2, (0, 3, 7)), "iii": (4, (0, 3, 7)), "IV": (5, (0, 4, 7)), "V": (7, (0, 4, 7)),
    "V7": (7, (0, 4, 7, 10)), "vi": (9, (0, 3, 7)), "i": (0, (0, 3, 7)), "iv": (5, (0, 3, 7)), "VI": (8, (0, 4, 7)),
    "VII": (10, (0, 4, 7)), "III": (3, (0, 4, 7)), "ii5": (2, (0, 7)), "V5": (7, (0, 7)), "iv5": (5, (0, 7)),
    "VII5": (10, (0, 7)),
}  # fmt: skip
# Phrases of four chords to begin with, and those to end with. The tonic's share is large on purpose.
PHRASES = {
    ("major", "major"): (("I IV V I", "I V IV I", "I IV I V", "I ii V I", "I vi IV V"), ("I IV V7 I", "I ii V7 I")),
    ("minor", "minor"): (("i iv V i", "i VI V i", "i iv i V", "i VII VI V"), ("i iv V7 i", "i VI V7 i")),
    ("dorian", "minor"): (("i IV i V", "i IV V i", "i VII IV i"), ("i IV V7 i",)),
    ("pentatonic", "major"): (("I V5 I ii5", "I ii5 V5 I", "I V5 vi I"), ("I ii5 V5 I",)),
    ("pentatonic", "minor"): (("i iv5 i VII5", "i VII5 iv5 i", "i III VII5 i"), ("i iv5 VII5 i",)),
}
LEADING_TONE = 11  # semitones above the tonic; a dominant raises the seventh of minor and dorian to it


@dataclass(frozen=True)
class Chord:
    """Pitch classes: the root, the notes from the root up, and the scale that melodies use over it."""

    root: int
    tones: tuple[int, ...]
    scale: tuple[int, ...]


def tonic_of(keyscale: str) -> int:
    """The pitch class of the tonic, 0 for C."""
    name = keyscale.split()[0]
    return (LETTERS[name[0]] + SIGNS[name[1:]]) % 12


def third_of(keyscale: str) -> str:
    return keyscale.split()[1]


def progression(keyscale: str, mode: str, units: int, rng: random.Random) -> list[Chord]:
    """`units` chords: one phrase again and again, another by turns, and a cadence; the first is the tonic always."""
    kind = (mode, third_of(keyscale))
    usual, closing = PHRASES[kind]
    first, second = rng.choice(usual), rng.choice(usual)
    phrases = [first if i % 2 == 0 else second for i in range((units - 1) // 4)] + [rng.choice(closing)]
    words = [word for phrase in phrases for word in phrase.split()][-units:]
    return [_chord(word, tonic_of(keyscale), SCALES[kind]) for word in [first.split()[0], *words[1:]]]


def _chord(word: str, tonic: int, scale: tuple[int, ...]) -> Chord:
    above, steps = CHORDS[word]
    raised = {above + step for step in steps} & {LEADING_TONE} and LEADING_TONE not in scale
    used = [LEADING_TONE if raised and s == LEADING_TONE - 1 else s for s in scale]
    return Chord((tonic + above) % 12, _classes(tonic + above, steps), _classes(tonic, used))


def _classes(root: int, steps: tuple[int, ...] | list[int]) -> tuple[int, ...]:
    return tuple((root + step) % 12 for step in steps)


def near(pitch_class: int, lowest: int) -> int:
    """The MIDI number of the pitch class in the octave from `lowest` up."""
    return lowest + (pitch_class - lowest) % 12


def voiced(chord: Chord, lowest: int) -> list[int]:
    """The chord's notes within the octave from `lowest` up, so that neighbours lie close together."""
    return sorted(near(tone, lowest) for tone in chord.tones)
