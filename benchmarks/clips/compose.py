"""Short pieces in every key: chords, bass, lead and drums, as notes and as MIDI. Times are in quarter notes.

Even seeds draw from other arrangements than odd ones, so that what was looked at with one is new in the other.
"""

import random
from dataclasses import dataclass

TICKS = 480
SECONDS = 20.0
METRES = ("4",) * 14 + ("3",) * 5 + ("6",) * 5
NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SCALE = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
TRIAD = {"M": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "d": (0, 3, 6)}
# (semitones above the tonic, chord) a bar; V is major in minor too. Odd seeds, then even seeds.
PROGRESSIONS = {
    "major": (
        ["0M 7M 9m 5M", "0M 5M 7M 0M", "0M 9m 2m 7:7", "0M 4m 5M 7M"],
        ["0M 9m 5M 7M", "5M 0M 7:7 0M", "0M 2m 7M 0M", "0M 5M 9m 7M"],
    ),
    "minor": (
        ["0m 5m 7M 0m", "0m 8M 3M 7M", "0m 10M 8M 7:7", "0m 8M 5m 7M"],
        ["0m 3M 8M 7M", "0m 5m 0m 7:7", "0m 10M 5m 7M", "0m 8M 7M 0m"],
    ),
}
# A bar of chords and of bass in sixths of a beat (a beat of 6/8 is a dotted quarter), for each parity of the seed.
CHORDS = {
    "4": (["0 6 12 18", "0 9 12 21", "0 3 6 9 12 15 18 21", "6 18"], ["0", "0 12", "3 9 15 21", "0 9 18"]),
    "3": (["6 12", "0 6 12"], ["0", "6 12 15", "0 3 6 9 12 15"]),
    "6": (["0 2 4 6 8 10", "0 4 6 10"], ["0 6", "2 4 8 10", "0 4 6 8 10"]),
}
BASS = {"4": (["0 12", "0 6 12 18", "0 9 12"], ["0 3 6 9 12 15 18 21", "0 12 21", "0 15 18"]),
        "3": (["0", "0 12"], ["0", "0 6 12"]), "6": (["0 6", "0 4 6"], ["0 6 10", "0 6"])}  # fmt: skip
# kick / snare / hat in sixths of a beat
DRUMS = {
    "4": (["0 12/6 18/0 3 6 9 12 15 18 21", "0 6 12 18/6 18/3 9 15 21", "0 15/12/0 6 12 18"],
          ["0 9 12/6 18/0 3 6 9 12 15 18 21", "0 3 15/6 18/0 6 12 18", "0 12/6 18 21/0 4 6 10 12 16 18 22"]),
    "3": (["0/6 12/0 6 12", "0/12/0 3 6 9 12 15"], ["0/6 12/0 3 6 9 12 15", "0 9/6/0 6 12"]),
    "6": (["0/6/0 2 4 6 8 10", "0 4/6/0 4 6 10"], ["0/6 10/0 2 4 6 8 10", "0 6/6/2 4 8 10"]),
}  # fmt: skip
PROGRAMS = {  # chords, bass, lead
    "odd": ((0, 24, 48, 4, 16, 27), (32, 33, 38), (73, 56, 11, 80, 65)),
    "even": ((1, 25, 19, 5, 30, 50, 6), (34, 43, 39), (40, 71, 12, 81, 22)),
}
KICK, SNARE, HAT = 36, 38, 42


@dataclass(frozen=True)
class Clip:
    """`bpm` counts quarter notes, in 6/8 dotted quarters; `tonic` is 0 to 11 from C."""

    bpm: float
    tonic: int
    mode: str
    metre: str
    drums: bool
    cents: int
    midi: bytes
    parts: tuple = ()  # (channel, program, [(beat, length, pitch, velocity)])

    @property
    def key(self) -> str:
        return f"{NAMES[self.tonic]} {self.mode}"


def clips(seed: int, count: int) -> list[Clip]:
    """`count` clips: keys and metres in turn, everything else drawn with `seed`."""
    rng = random.Random(seed)
    made = []
    for start in range(0, count, 24):
        keys, metres = list(range(24)), list(METRES)
        rng.shuffle(keys)
        rng.shuffle(metres)
        made += [_clip(rng, seed % 2 == 0, *pair) for pair in zip(keys, metres, strict=True)][: count - start]
    return made


def _clip(rng: random.Random, even: bool, key: int, metre: str) -> Clip:
    tonic, mode = key % 12, "minor" if key >= 12 else "major"
    slowest, fastest = {"4": (60, 190), "3": (80, 190), "6": (60, 130)}[metre]
    bpm = round(slowest * (fastest / slowest) ** rng.random(), 1)
    cents = rng.randint(-22, 25) if rng.random() < 0.45 else 0
    drums = rng.random() < 0.7
    parts = _parts(rng, even, bpm, tonic, mode, metre, drums)
    return Clip(bpm, tonic, mode, metre, drums, cents, midi_file(bpm, metre, parts, cents), tuple(parts))


def _parts(rng, even, bpm, tonic, mode, metre, drums):
    """[(channel, program, [(beat, length, pitch, velocity)])] with times in beats of the metre."""
    beats = {"4": 4, "3": 3, "6": 2}[metre]
    bars = max(4, round(SECONDS * bpm / 60 / beats))
    harmony = [_chord(word, tonic) for word in rng.choice(PROGRESSIONS[mode][even]).split()]
    per_chord = rng.choice((1, 1, 2)) if beats * 60 / bpm < 2.2 else 1
    at = [harmony[(bar // per_chord) % len(harmony)] for bar in range(bars)]
    at[-1] = harmony[0] if harmony[0][0] == tonic else at[-1]
    swing = rng.choice((0.0, 0.0, 0.0, 1.0)) if metre == "4" else 0.0  # in sixths of a beat
    programs = PROGRAMS["even" if even else "odd"]
    chords = _comp(rng.choice(CHORDS[metre][even]), at, beats)
    bass = _bass(rng.choice(BASS[metre][even]), at, beats)
    lead = _lead(rng, at, beats, tonic, mode, metre)
    parts = [(number, rng.choice(choice), notes)
             for number, (choice, notes) in enumerate(zip(programs, (chords, bass, lead), strict=True))]  # fmt: skip
    if drums:
        parts.append((9, rng.choice((0, 8, 16, 25, 40)), _drums(rng.choice(DRUMS[metre][even]), bars, beats)))
    return [(channel, program, played(rng, notes, swing, bpm)) for channel, program, notes in parts]


def _chord(word, tonic):
    step, kind = word.split(":") if ":" in word else (word[:-1], word[-1])
    return (int(step) + tonic) % 12, TRIAD[kind]


def _comp(pattern, at, beats):
    places = [int(p) / 6 for p in pattern.split()]
    notes = []
    for bar, (root, kind) in enumerate(at):
        for place, after in zip(places, [*places[1:], beats], strict=True):
            length = min(after - place, 2.0) * 0.9
            notes += [(bar * beats + place, length, 52 + (root + i - 52) % 12, 82 if place else 90) for i in kind]
    return notes


def _bass(pattern, at, beats):
    places = [int(p) / 6 for p in pattern.split()]
    notes = []
    for bar, (root, _) in enumerate(at):
        for i, (place, after) in enumerate(zip(places, [*places[1:], beats], strict=True)):
            pitch = 33 + (root - 33) % 12 + (7 if i % 4 == 2 and len(places) == 3 else 0)
            notes.append((bar * beats + place, (after - place) * 0.85, pitch, 88 if place else 98))
    return notes


def _lead(rng, at, beats, tonic, mode, metre):
    """A random walk over the scale that meets a chord note at each bar; in V of minor with the raised seventh."""
    lengths = {"6": (1 / 3, 1 / 3, 2 / 3, 1.0)}.get(metre, (0.5, 0.5, 1.0, 1.0, 1.5))
    scale = [(s + tonic) % 12 for s in SCALE[mode]]
    notes, time, pitch = [], 0.0, 72
    while time < beats * len(at) - 1e-6:
        bar = int(time / beats + 1e-6)
        root, kind = at[bar]
        tones = {(root + i) % 12 for i in kind}
        raised = mode == "minor" and root == (tonic + 7) % 12
        usable = {(p + 1) % 12 if raised and p == (tonic + 10) % 12 else p for p in scale}
        wanted = tones if abs(time - bar * beats) < 1e-6 else usable
        near = [p for p in range(pitch - 5, pitch + 6) if p % 12 in wanted and 64 <= p <= 86]
        pitch = rng.choice(near or [72])
        length = min(rng.choice(lengths), beats * (bar + 1) - time)
        if rng.random() > 0.15:
            notes.append((time, length * 0.9, pitch, 92))
        time += length
    return notes


def _drums(pattern, bars, beats):
    notes = []
    for drum, places in zip((KICK, SNARE, HAT), pattern.split("/"), strict=True):
        velocity = {KICK: 100, SNARE: 96, HAT: 70}[drum]
        notes += [(bar * beats + int(p) / 6, 0.1, drum, velocity) for bar in range(bars) for p in places.split()]
    return notes


def played(rng, notes, swing, bpm):
    """As people play: off by some 6 ms, louder and softer; swung where it falls on the second eighth."""
    loose = 0.006 * bpm / 60
    return [
        (max(0.0, time + (swing / 6 if abs(time % 1 - 0.5) < 1e-6 else 0) + rng.gauss(0, loose)), length, pitch,
         max(1, min(127, velocity + rng.randint(-8, 8))))
        for time, length, pitch, velocity in notes
    ]  # fmt: skip


def midi_file(bpm, metre, parts, cents):
    """A MIDI file of format 0; all channels but the drums' are bent by `cents`."""
    quarters = 1.5 if metre == "6" else 1.0
    events = [(0, b"\xff\x51\x03" + round(60e6 / (bpm * quarters)).to_bytes(3, "big"))]
    for channel, program, notes in parts:
        bend = 8192 + (0 if channel == 9 else round(8192 * cents / 200))
        events += [(0, bytes([0xC0 | channel, program])), (0, bytes([0xE0 | channel, bend & 127, bend >> 7]))]
        for time, length, pitch, velocity in notes:
            start, end = (round(t * quarters * TICKS) for t in (time, time + length))
            events.append((max(end, start + 1), bytes([0x80 | channel, pitch, 0])))
            events.append((start, bytes([0x90 | channel, pitch, velocity])))
    body, now = b"", 0
    for tick, event in sorted(events, key=lambda e: (e[0], e[1][0] & 0xF0 == 0x90)):
        body += _length(tick - now) + event
        now = tick
    body += b"\0\xff\x2f\0"
    head = b"MThd" + b"".join(n.to_bytes(k, "big") for n, k in ((6, 4), (0, 2), (1, 2), (TICKS, 2)))
    return head + b"MTrk" + len(body).to_bytes(4, "big") + body


def _length(value):
    """MIDI's numbers of seven bits a byte, the high bit on all but the last."""
    out = bytes([value & 127])
    while value := value >> 7:
        out = bytes([128 | value & 127]) + out
    return out
