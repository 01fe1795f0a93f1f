"""Clips in the manner of usual styles: rock, disco, swing, waltz, jig and others, with the harmony of songs.

Unlike `compose` it varies how often the harmony changes, whether the piece begins and ends on its tonic, upbeats, how
chords are played and where the instruments lie. A bar is written as a string of equal steps: its length sets the grid.
"""

import random
from dataclasses import dataclass

from clips.compose import METRES, SCALE, Clip, midi_file, played

SECONDS = (20.0, 28.0)
CHORDS = {"M": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "j": (0, 4, 7, 11), "n": (0, 3, 7, 10), "d": (0, 3, 6),
          "s": (0, 5, 7), "p": (0, 7, 12)}  # fmt: skip
# Semitones above the tonic and kind of chord; the first may be another than the tonic.
MAJOR = ("0M 7M 9m 5M", "0M 9m 5M 7M", "9m 5M 0M 7M", "5M 7M 4m 9m", "0M 5M 7M 5M", "0M 4m 5M 7M", "2n 77 0j 0j",
         "0M 10M 5M 0M", "0M 2m 5M 7M", "0M 0M 5M 7M", "5M 0M 7M 0M", "0j 9n 2n 77", "0M 5M 0M 7M 0M 5M 77 0M",
         "0M 7M 9m 4m 5M 0M 5M 7M", "0M 5M 5m 0M")  # fmt: skip
MINOR = ("0m 8M 3M 10M", "0m 5m 7M 0m", "0m 10M 8M 7M", "0m 5m 0m 7M", "0m 8M 5m 7M", "5m 0m 77 0m", "0m 3M 10M 5m",
         "8M 10M 0m 0m", "0m 0m 5m 77", "0m 10M 8M 10M", "0n 5n 7:7 0n", "0m 3M 5m 7M", "2d 77 0m 0m",
         "0m 5m 10M 3M 8M 2d 7M 0m")  # fmt: skip
BLUES = "07 07 07 07 57 57 07 07 77 57 07 77"


@dataclass(frozen=True)
class Style:
    """Bars as strings: `x` struck, `X` struck harder, digits single notes of the chord (or of the bass), `-` held.

    `drums` are kick / snare / hat (each may be empty); `w` in a bass walks towards the next chord.
    """

    metre: str
    bpm: tuple[int, int]
    chords: tuple[str, ...]
    bass: tuple[str, ...]
    drums: tuple[str, ...]
    drum_share: float = 0.8
    lead: tuple[str, ...] = ("even", "sparse", "long", "none")
    sevenths: bool = False


STYLES = (
    Style("4", (95, 165), ("X-x-x-x-", "X-------", "X--x--x-"), ("11111111", "1-1-1-1-", "1--1--15"),
          ("x...x.x./..x...x./xxxxxxxx", "x....x../..x...x./xxxxxxxx", "x...x.../..x...x./x.x.x.x.")),
    Style("4", (60, 95), ("12343432", "X-------", "X---x---", "1-2-3-2-"), ("1-------", "1-----5-", "1---5---"),
          ("x...x.../..x...x./x.x.x.x.", "x....x../..x...x./xxxxxxxx",
          "x.....x.x......./....x.......x.../x.x.x.x.x.x.x.x."), 0.55),
    Style("4", (108, 132), ("..x-..x-..x-..x-", "..xx..x.", ".x.x.x.x"), ("13131313", "1.1.3.1.", ".1.1.1.1"),
          ("x.x.x.x./..x...x./.x.x.x.x", "x.x.x.x./..x...x./xxxxxxxx", "x.x.x.x.//.x.x.x.x"), 0.9),
    Style("4", (120, 150), ("1232123212321232", "X-------------X-", "1.23.12.3.12.31."), (".1.1.1.1",
          "1111111111111111"),
          ("x.x.x.x.//.x.x.x.x", "x.x.x.x./..x...x./.x.x.x.x"), 0.9),
    Style("4", (160, 190), ("X-------", "X---x---", "x.x.x.x."), ("1-----1-", "1-------", "1-1-1-1-"),
          ("x....x../..x...x./xxxxxxxx", "x.x..x../..x...x./x.x.x.x.", "x...x.../..x...x./xxxxxxxx")),
    Style("4", (88, 116), ("..x..x..x..x....", "x..x..x...x.x...", ".x.x.x.x"), ("1..1..1.1.3...1.",
          "1..1....1..1..3.", "1.......1.1.3.1."),
          ("x..x..x...x...../....x.......x.../xxxxxxxxxxxxxxxx",
          "x.....x.x.x...../....x..x....x.../xxxxxxxxxxxxxxxx")),
    Style("4", (66, 92), (".x.x.x.x", "..x...x.", ".xx.xx.x"), ("1..11.3.", "..11..1.", "1.--1.11"),
          ("....x.../....x.../xxxxxxxx", "x...x.../....x.../.x.x.x.x", "x.x.x.x./....x.../xxxxxxxx")),
    Style("4", (100, 145), ("x..x..x...x..x..", "x.x..x.x", "1.23.23.1.23.23."), ("1--53--5", "1-.51-.5"),
          ("x..xx..x/..x..x../xxxxxxxx", "x..xx..x//xxxxxxxx"), 0.7, sevenths=True),
    Style("4", (110, 190), ("..x..x......", "x....x......", "X-----------"), ("1--w--w--w--", "1--3--5--w--"),
          ("............/...x.....x../x..x.xx..x.x", "x..x..x..x../...x.....x../x..x.xx..x.x", "//x..x.xx..x.x"), 0.7,
          ("swung", "sparse"), sevenths=True),
    Style("4", (85, 140), ("x.xx.xx.xx.x", "X-----------", "x..x..x..x.."), ("1.15.51.15.5", "1--3--5--3--"),
          ("x.....x...../...x.....x../x.xx.xx.xx.x", "x.....x.x.../...x.....x../x.xx.xx.xx.x"), 0.8, ("swung",
          "none")),
    Style("4", (85, 150), ("..x...x.", "X-x-x-xx", "x-xx-xx-", "12321232", "X.x.X.x."), ("1...5...", "1-----5-",
          "1---1---"),
          ("x.x.x.x.//", "x...x.../..x...x./"), 0.3),
    Style("4", (95, 130), (".x.x.x.x", "..x...x."), ("1.5.1.5.", "1---5---"), ("x...x.../..x...x./x.x.x.x.",
          "x.x.x.x./.x.x.x.x/"), 0.5),
    Style("4", (60, 120), ("X-------", "X---X---", "1-2-3-4-"), ("1-------", "1---1---"), ("x...x.../..x...x./",),
          0.15,
          ("long", "even")),
    Style("4", (78, 104), ("x..x..x.........", "X---------------", "..x...x.....x..."), ("1......1..1.....",
          "1-------------1."),
          ("x......x..x...../....x.......x.../x.x.x.x.x.x.x.x.",
          "x..x......x...../....x.......x.../x.x.xxx.x.x.x.xx")),
    Style("3", (95, 190), (".xx", "X--", "..x.x."), ("1..", "1--", "1.5"),
          ("x../.xx/", "x../.xx/xxx", "x../..x/xxx"), 0.55),
    Style("3", (72, 115), ("123432", "X-----", "1-2-3-", "X-xxxx"), ("1-----", "1---5-"),
          ("x...../..x.../xxxxxx", "x...../....x./x.x.x.", "x...../..x.x./xxxxxx"), 0.5),
    Style("3", (115, 185), ("x....x...", "...x..x..", "X--------"), ("1--w--w--", "1-----5--"),
          ("x......../...x..x../x..x.xx.x", "x....x.../...x...../x..x.xx.x"), 0.8, ("swung", "sparse"),
          sevenths=True),
    Style("3", (85, 150), ("X--", "X-x-x-", "xxx"), ("1--", "1-5"), ("x../..x/",), 0.15, ("even", "long")),
    Style("6", (60, 84), ("123232", "X-----", "X--X--", "xxxxxx"), ("1-----", "1--5--", "1--1-1"),
          ("x...../...x../xxxxxx", "x....x/...x../xxxxxx", "x.x.../...x../xxxxxx"), 0.65),
    Style("6", (88, 130), ("x.xx.x", "..x..x", "X-xX-x", "123123"), ("1-.5-.", "1--1--", "1.11.1"),
          ("x..x../..x..x/xxxxxx", "x..x..//x.xx.x", "x...../...x../x.xx.x"), 0.45, ("jig", "even")),
    Style("6", (60, 105), ("X-----", "1-23-2", "1.23.2", "x-xx-x"), ("1-----", "1--1--"),
          ("x...../...x../x.xx.x",), 0.2,
          ("jig", "long", "even")),
    Style("6", (72, 120), (".xx.xx", "x..xx.", "1.32.3"), ("1..1..", "1-51-5"),
          ("x..x../...x../xxxxxx", "x...../...x../x.xx.x", "x.xx.x/...x../x.xx.x"), 0.75),
)  # fmt: skip
COMPS = (0, 1, 2, 4, 5, 6, 7, 15, 16, 18, 19, 21, 24, 25, 26, 27, 28, 29, 30, 46, 48, 49, 50, 51, 52, 61, 62, 63, 80,
         81, 88, 89, 90, 104, 105)  # fmt: skip
BASSES = (32, 33, 34, 35, 36, 38, 39, 43, 58, 87)
LEADS = (0, 9, 11, 12, 22, 24, 26, 40, 41, 42, 52, 53, 56, 57, 60, 64, 65, 66, 68, 71, 72, 73, 75, 78, 80, 81, 82, 85)
KITS = (0, 8, 16, 24, 25, 32, 40, 48)
SNARES, HATS = (38, 40, 37, 39), (42, 42, 51, 46, 70, 44)
LEAD_LENGTHS = {"even": (0.5, 0.5, 1.0, 1.0, 1.5), "sparse": (1.0, 2.0, 1.5, 3.0), "long": (2.0, 1.0, 3.0, 4.0),
                "swung": (2 / 3, 1 / 3, 1.0, 1.0, 2.0), "jig": (1 / 3, 1 / 3, 2 / 3, 1.0)}  # fmt: skip
RESTS = {"even": 0.12, "sparse": 0.4, "long": 0.1, "swung": 0.2, "jig": 0.05}
BEATS = {"4": 4, "3": 3, "6": 2}


def style_clips(seed: int, count: int) -> list[Clip]:
    """`count` clips: keys and metres in turn, everything else drawn with `seed`."""
    rng = random.Random(f"styles {seed}")
    made = []
    for start in range(0, count, 24):
        keys, metres = list(range(24)), list(METRES)
        rng.shuffle(keys)
        rng.shuffle(metres)
        made += [_clip(rng, *pair) for pair in zip(keys, metres, strict=True)][: count - start]
    return made


def _clip(rng: random.Random, key: int, metre: str) -> Clip:
    tonic, mode = key % 12, "minor" if key >= 12 else "major"
    style = rng.choice([s for s in STYLES if s.metre == metre])
    bpm = round(style.bpm[0] * (style.bpm[1] / style.bpm[0]) ** rng.random(), 1)
    cents = rng.randint(-40, 40) if rng.random() < 0.45 else 0
    drums = rng.random() < style.drum_share
    parts = _parts(rng, style, bpm, tonic, mode, drums)
    return Clip(bpm, tonic, mode, metre, drums, cents, midi_file(bpm, metre, parts, cents), tuple(parts))


def _parts(rng, style, bpm, tonic, mode, drums):
    """[(channel, program, notes)], all later by an upbeat or a little silence."""
    beats = BEATS[style.metre]
    bars = max(6, round(rng.uniform(*SECONDS) * bpm / 60 / beats))
    harmony = _harmony(rng, style, bpm, tonic, mode, bars)
    chords = _chords(rng, rng.choice(style.chords), harmony, beats)
    bass = _bass(rng, rng.choice(style.bass), harmony, beats)
    parts = [(0, rng.choice(COMPS), chords), (1, rng.choice(BASSES), bass)]
    upbeat = 0.0
    if (kind := rng.choice(style.lead)) != "none" or not drums:
        upbeat = rng.choice((0.0, 0.0, 1.0))
        lead = _lead(rng, "even" if kind == "none" else kind, harmony, beats, tonic, mode, style.metre, upbeat)
        parts.append((2, rng.choice(LEADS), lead))
    if rng.random() < 0.25:
        parts.append((3, rng.choice((48, 50, 52, 89, 91)), _pad(harmony, beats)))
    if drums:
        parts.append((9, rng.choice(KITS), _drums(rng, rng.choice(style.drums), bars, beats)))
    later = upbeat + rng.choice((0.0, 0.0, 0.3)) * bpm / 60
    moved = [(c, p, [(t + later, *rest) for t, *rest in notes]) for c, p, notes in parts]
    return [(c, p, played(rng, notes, 0.0, bpm)) for c, p, notes in moved]


def _harmony(rng, style, bpm, tonic, mode, bars):
    """[(root, kind)] each half bar."""
    text = rng.choice(MAJOR if mode == "major" else MINOR)
    if style.sevenths and style.metre == "4" and mode == "major" and rng.random() < 0.2:
        text = BLUES
    if style.sevenths:
        text = " ".join({"M": w[:-1] + "j", "m": w[:-1] + "n"}.get(w[-1], w) for w in text.split())
    words = [w.replace(":", "") for w in text.split()]
    bar_s = BEATS[style.metre] * 60 / bpm
    halves = rng.choice((2, 2, 2, 2, 4) if bar_s < 2.2 else (2, 2, 2, 1))
    if style.metre == "3" and halves == 1:
        halves = 2
    at = [words[(i // halves) % len(words)] for i in range(2 * bars)]
    if rng.random() < 0.6:
        at[-2:] = [("0M" if mode == "major" else "0m")] * 2
    return [((int(w[:-1]) + tonic) % 12, CHORDS[w[-1]]) for w in at]


def _steps(text, bars, beats):
    """(bar, beat in the bar, length, sign) of each stroke; what is held lasts, other strokes are short."""
    step = beats / max(len(text), 1)
    for bar in range(bars):
        for i, sign in enumerate(text):
            if sign not in ".-":
                held = len(text[i + 1 :]) - len(text[i + 1 :].lstrip("-"))
                yield bar, i * step, step * (0.9 + held), sign


def _at(harmony, bar, beat, beats):
    return harmony[2 * bar + (beat >= beats / 2 - 1e-6)]


def _chords(rng, text, harmony, beats):
    low, notes = rng.choice((50, 53, 55, 60)), []
    for bar, beat, length, sign in _steps(text, len(harmony) // 2, beats):
        root, kind = _at(harmony, bar, beat, beats)
        pitches = sorted(low + (root + i - low) % 12 for i in kind)
        if sign.isdigit():
            pitches = [(pitches + [pitches[0] + 12])[(int(sign) - 1) % (len(pitches) + 1)]]
        loud = 94 if sign == "X" or beat == 0 else 84
        notes += [(bar * beats + beat, length, pitch, loud) for pitch in pitches]
    return notes


def _bass(rng, text, harmony, beats):
    low, notes = rng.choice((28, 31, 33, 36)), []
    for bar, beat, length, sign in _steps(text, len(harmony) // 2, beats):
        root, kind = _at(harmony, bar, beat, beats)
        base = low + (root - low) % 12
        if sign == "w":
            above = harmony[min(2 * bar + 2, len(harmony) - 1)][0]
            pitch = rng.choice([base + i for i in kind] + [low + (above - low) % 12 + rng.choice((-1, 1, 2))])
        else:
            pitch = base + {"1": 0, "3": 12, "5": 7}[sign]
        notes.append((bar * beats + beat, length, pitch, 98 if beat == 0 else 88))
    return notes


def _pad(harmony, beats):
    return [(i * beats / 2, beats / 2 * 0.98, 60 + (root + k - 60) % 12, 62)
            for i, (root, kind) in enumerate(harmony) for k in kind]  # fmt: skip


def _lead(rng, kind, harmony, beats, tonic, mode, metre, upbeat):
    """A walk over the scale that meets the chord on strong beats,
    with phrases that come back; V has a leading note."""
    lengths = LEAD_LENGTHS["jig" if metre == "6" and kind == "even" else kind]
    notes, time, pitch = [], -upbeat, rng.choice((67, 72, 76))
    rhythm, end = [rng.choice(lengths) for _ in range(12)], beats * len(harmony) / 2
    count = 0
    while time < end - 1e-6:
        bar = max(0, int(time / beats + 1e-6))
        beat = time - bar * beats
        root, chord = _at(harmony, bar, max(beat, 0.0), beats)
        usable = _scale(tonic, mode, root)
        wanted = {(root + i) % 12 for i in chord} if abs(beat) < 1e-6 or rng.random() < 0.3 else usable
        near = [p for p in range(pitch - 5, pitch + 6) if p % 12 in wanted and 62 <= p <= 86]
        pitch = rng.choice(near or [72])
        length = min(rng.choice(lengths) if rng.random() < 0.4 else rhythm[count % 12], 2 * beats - beat)
        length = min(length, -time) if time < 0 else length
        if rng.random() > RESTS[kind]:
            notes.append((time, length * 0.92, pitch, 94))
        time, count = time + length, count + 1
    return notes


def _scale(tonic, mode, root):
    steps = list(SCALE[mode])
    if mode == "minor" and root == (tonic + 7) % 12:
        steps[6] = 11
    return {(s + tonic) % 12 for s in steps}


def _drums(rng, text, bars, beats):
    snare, hat, notes = rng.choice(SNARES), rng.choice(HATS), []
    for drum, loud, part in zip((36, snare, hat), (102, 98, 72), text.split("/"), strict=True):
        notes += [(bar * beats + beat, 0.1, drum, loud + (6 if beat == 0 else 0))
                  for bar, beat, _, _ in _steps(part, bars, beats)]  # fmt: skip
    if rng.random() < 0.5:
        notes += [(bar * beats, 0.1, 49, 84) for bar in range(0, bars, 4)]
    return notes
