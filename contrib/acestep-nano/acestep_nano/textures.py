"""How each style plays its chords: notes in beats, with something on every beat and most weight on the first."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from acestep_nano.harmony import Chord, near, voiced
from acestep_nano.pieces import Part
from acestep_nano.planning import Plan

BASS, LOW, MIDDLE, HIGH = 41, 36, 55, 79  # the lowest notes of octaves: F2, C2, G3, G5
STRONG, MEDIUM, WEAK = 112, 96, 78  # velocities of a bar's first beat, of others, and between beats
RUN_BELOW_BPM = 105  # below it an arpeggio runs in sixteenths, above in eighths
RIFF_STEPS = (0, 0, 7, 12)  # semitones above the root
# Arpeggios in chord notes. In 6/8 they come round with the beat: in fours they would make it sound like 3/4.
SHAPES = {2: ((0, 1, 2, 3), (0, 2, 1, 2), (0, 1, 2, 3, 4, 3, 2, 1), (3, 2, 1, 0)), 3: ((0, 1, 2), (0, 2, 1), (2, 1, 0))}


@dataclass(frozen=True)
class Sounding:
    """A note in beats from the beginning."""

    beat: float
    beats: float
    pitch: int
    velocity: int
    part: Part


def accompaniment(plan: Plan) -> list[Sounding]:
    """Chords and bass of the piece in the manner of its style."""
    return list(TEXTURES[plan.style](plan, plan.draws("texture")))


def _bars(plan: Plan) -> Iterator[tuple[float, Chord]]:
    """The first beat of each bar, and its chord."""
    for number, chord in enumerate(plan.chords):
        yield float(number * plan.beats), chord


def _accent(beat: int) -> int:
    return STRONG if beat == 0 else MEDIUM


def _block(beat: float, beats: float, chord: Chord, velocity: int, lowest: int = MIDDLE) -> Iterator[Sounding]:
    for pitch in voiced(chord, lowest):
        yield Sounding(beat, beats, pitch, velocity, "chords")


def _bass(beat: float, beats: float, chord: Chord, velocity: int) -> Sounding:
    return Sounding(beat, beats, near(chord.root, BASS), velocity, "bass")


def _grounds(plan: Plan, start: float, chord: Chord, velocity: int) -> Iterator[Sounding]:
    """A long bass note a bar; in 6/8 on both beats, which tells it from 3/4."""
    each = 1 if plan.metre == "6" else plan.beats
    for beat in range(0, plan.beats, each):
        yield _bass(start + beat, each * 0.92, chord, velocity if beat == 0 else MEDIUM)


def _arpeggio(plan: Plan, rng: random.Random) -> Iterator[Sounding]:
    """One plucked note after another, up and down two octaves of the chord."""
    shape = rng.choice(SHAPES[plan.division])
    each = 2 * plan.division if plan.metre != "6" and plan.bpm < RUN_BELOW_BPM else plan.division
    for start, chord in _bars(plan):
        ladder = [p + octave for octave in (0, 12) for p in voiced(chord, MIDDLE + 5)]
        yield from _grounds(plan, start, chord, STRONG)
        for step in range(plan.beats * each):
            velocity = _accent(step // each) if step % each == 0 else WEAK
            pitch = ladder[shape[step % len(shape)] % len(ladder)]
            yield Sounding(start + step / each, 1.6 / each, pitch, velocity, "chords")


def _chords(plan: Plan, rng: random.Random) -> Iterator[Sounding]:
    """The whole chord on every beat, and between some; the bass on the first and where the bar halves."""
    between = [rng.random() < 0.35 for _ in range(plan.beats)]
    offset = (plan.division - 1) / plan.division
    for start, chord in _bars(plan):
        for beat in range(plan.beats):
            yield from _block(start + beat, 0.92 * (offset if between[beat] else 1.0), chord, _accent(beat))
            if between[beat]:
                yield from _block(start + beat + offset, 0.9 * (1 - offset), chord, WEAK)
            if beat == 0 or (plan.beats == 4 and beat == 2):
                yield _bass(start + beat, 0.95 * (2 if plan.beats == 4 else plan.beats), chord, _accent(beat))


def _melody(plan: Plan, rng: random.Random) -> Iterator[Sounding]:
    """One soft long chord a bar and a bass that walks in beats, below a tune that is made elsewhere."""
    for start, chord in _bars(plan):
        yield from _block(start, plan.beats * 0.98, chord, WEAK, MIDDLE - 3)
        for beat in range(plan.beats):
            yield _bass(start + beat, 0.8, chord, _accent(beat))


def _bass_riff(plan: Plan, rng: random.Random) -> Iterator[Sounding]:
    """A figure of low notes, the same in every bar; the chord is struck once above it."""
    steps = plan.beats * plan.division
    figure = [0 if s == 0 else rng.choice(RIFF_STEPS) for s in range(steps)]
    last = plan.division - 1  # of a beat: the only step between beats, so that 6/8 lilts and is no 3/4
    played = [s for s in range(steps) if s % plan.division == 0 or (s % plan.division == last and rng.random() < 0.75)]
    for start, chord in _bars(plan):
        for beat in (0, 1) if plan.metre == "6" else (0,):
            yield from _block(start + beat, 0.9 if plan.metre == "6" else min(1.5, plan.beats * 0.9), chord, WEAK)
        for step in played:
            velocity = _accent(step // plan.division) if step % plan.division == 0 else WEAK
            pitch = near(chord.root, LOW) + figure[step]
            yield Sounding(start + step / plan.division, 0.85 / plan.division, pitch, velocity, "bass")


def _waltz(plan: Plan, rng: random.Random) -> Iterator[Sounding]:
    """Bass on one, short chords on two and three; the bass rings through the bar, or one would hear fours."""
    for start, chord in _bars(plan):
        yield from _grounds(plan, start, chord, STRONG)
        for beat in range(1, plan.beats):
            yield from _block(start + beat, 0.45, chord, WEAK, MIDDLE + 2)


def _bells(plan: Plan, rng: random.Random) -> Iterator[Sounding]:
    """High notes of the chord that ring on, one on every beat and a figure between; a soft bass once a bar."""
    steps = plan.beats * plan.division
    between = plan.beats == 2 or rng.random() < 0.5
    struck = [s for s in range(steps) if s % plan.division == 0 or (between and s % plan.division == plan.division - 1)]
    order = rng.choice(((0, 1, 2), (0, 2, 1)))
    for start, chord in _bars(plan):
        yield from _grounds(plan, start, chord, MEDIUM)
        for number, step in enumerate(struck):
            tone = chord.tones[order[number % 3] % len(chord.tones)]
            velocity = _accent(step // plan.division) if step % plan.division == 0 else WEAK
            yield Sounding(start + step / plan.division, 2.0, near(tone, HIGH), velocity, "chords")


TEXTURES: dict[str, Callable[[Plan, random.Random], Iterator[Sounding]]] = {
    "arpeggio": _arpeggio, "chords": _chords, "melody": _melody, "bass riff": _bass_riff, "waltz": _waltz,
    "bells": _bells,
}  # fmt: skip
