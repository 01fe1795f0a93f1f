"""Tunes over the chords: phrases with one rhythm each, chord notes on strong beats, steps between, home at the end."""

import random

from acestep_nano.harmony import Chord, tonic_of
from acestep_nano.planning import Plan
from acestep_nano.textures import MEDIUM, STRONG, WEAK, Sounding

LOWEST, HIGHEST, START = 65, 84, 74  # F4 to C6, about D5
LEAST_PHRASE_S = 2.4
SLOW, QUICK = 1.3, 3.0  # notes a second
FEWEST = 3  # notes in a phrase
REACH = 5  # semitones to the next note at most


def phrase_bars(plan: Plan) -> int:
    return next(n for n in (1, 2, 4, 8) if n * plan.bar_s >= LEAST_PHRASE_S or n >= len(plan.chords))


def note_counts(plan: Plan) -> list[int]:
    """How many notes each phrase has."""
    rng, bars = plan.draws("phrases"), phrase_bars(plan)
    beats = bars * plan.beats
    fewest = max(FEWEST, round(SLOW * beats * plan.beat_s))
    most = max(fewest, min((beats - 1) * plan.division, round(QUICK * beats * plan.beat_s)))
    two = [rng.randint(fewest, most) for _ in range(2)]
    return [two[i % 2] for i in range(max(1, len(plan.chords) // bars))]


def tune(plan: Plan, counts: list[int]) -> list[Sounding]:
    """As many notes in each phrase as `counts` says; the last one of a phrase is held."""
    rng, beats = plan.draws("tune"), phrase_bars(plan) * plan.beats
    rhythms = {count: _rhythm(count, beats, plan.division, rng) for count in dict.fromkeys(counts)}
    notes: list[Sounding] = []
    pitch = START
    for number, count in enumerate(counts):
        places = rhythms[count]
        for place, after in zip(places, [*places[1:], beats], strict=True):
            beat = number * beats + place
            chord = plan.chords[int(beat / plan.beats + 1e-6)]
            ends = number == len(counts) - 1 and place == places[-1]
            home = ends and tonic_of(plan.keyscale) in chord.tones
            pitch = _home(plan, pitch) if home else _next(pitch, chord, place % 1 == 0, rng)
            velocity = STRONG if beat % plan.beats == 0 else MEDIUM if place % 1 == 0 else WEAK
            notes.append(Sounding(beat, (after - place) * 0.92, pitch, velocity, "melody"))
    return notes


def _rhythm(count: int, beats: int, division: int, rng: random.Random) -> list[float]:
    """Places in beats: on beats first, then between them; the last beat is left to the last note."""
    room = beats - 1
    if count <= room:
        return [float(i * room // count) for i in range(count)]
    between = [beat + part / division for beat in range(room) for part in range(1, division)]
    return sorted([float(b) for b in range(room)] + rng.sample(between, min(count - room, len(between))))


def _next(pitch: int, chord: Chord, strong: bool, rng: random.Random) -> int:
    classes = chord.tones if strong else chord.scale
    near = [p for p in range(pitch - REACH, pitch + REACH + 1)
            if p % 12 in classes and LOWEST <= p <= HIGHEST and p != pitch]  # fmt: skip
    return rng.choice(near) if near else min(_all(classes), key=lambda p: abs(p - pitch))


def _home(plan: Plan, pitch: int) -> int:
    return min(_all((tonic_of(plan.keyscale),)), key=lambda p: abs(p - pitch))


def _all(classes: tuple[int, ...]) -> list[int]:
    return [p for p in range(LOWEST, HIGHEST + 1) if p % 12 in classes]
