"""The plan of a piece: style, mode, key, tempo, metre and length, each drawn on its own.

Asking for one of them changes the others only where they could not stand together.
"""

import random
from dataclasses import dataclass

from acestep_core.errors import UserError
from acestep_core.prompts import KEYSCALES
from acestep_nano.harmony import TONICS, Chord, progression, third_of
from acestep_nano.pieces import (
    BEATS,
    DIVISIONS,
    FASTEST,
    FRAME_S,
    HELD_OUT,
    LONGEST_S,
    METRES,
    MODES,
    SHORTEST_S,
    SLOWEST,
    STYLES,
)

USUAL_METRES = ("4",) * 8 + ("6",) * 5 + ("3",) * 3 + ("2",) * 3  # waltzes add to the threes
MODES_OF = {"major": ("major",) * 3 + ("pentatonic",), "minor": ("minor",) * 5 + ("dorian",) * 2 + ("pentatonic",)}
LEAST_CHORD_S = 1.25  # chords change no faster, or the key blurs
SUNG = {"melody": 0.75, "waltz": 0.6, "chords": 0.5}  # share of a style's pieces that have lyrics; a third of all
LANGUAGES = ("en", "en", "zh", "ja")


@dataclass(frozen=True)
class Plan:
    """Everything that is settled before the first note; `chords` has one a bar."""

    seed: int
    style: str
    mode: str
    keyscale: str
    bpm: int
    metre: str
    seconds: float
    drums: bool
    language: str
    chords: tuple[Chord, ...]

    @property
    def beats(self) -> int:
        """Beats in a bar."""
        return BEATS[self.metre]

    @property
    def division(self) -> int:
        """Eighths in a beat."""
        return DIVISIONS[self.metre]

    @property
    def beat_s(self) -> float:
        return 60 / self.bpm

    @property
    def bar_s(self) -> float:
        return self.beats * self.beat_s

    def draws(self, what: str) -> random.Random:
        """The random numbers of one aspect, the same whatever else is asked for."""
        return draws(self.seed, what)


def draws(seed: int, what: str) -> random.Random:
    return random.Random(f"{what} of piece {seed}")


def planned(
    seed: int, *, style: str | None = None, mode: str | None = None, drums: bool | None = None, key: str | None = None,
    bpm: int | None = None, metre: str | None = None, seconds: float | None = None,
) -> Plan:  # fmt: skip
    """The plan of piece `seed`; what is None is drawn. Raises `UserError` for what cannot be."""
    check(style, mode, key, bpm, metre, seconds)
    unasked = {"style": style, "mode": mode, "metre": metre} != HELD_OUT
    style = style or _style(seed, metre)
    metre = metre or ("3" if style == "waltz" else draws(seed, "metre").choice(USUAL_METRES))
    key = key or _key(seed, mode)
    mode = mode or draws(seed, "mode").choice(MODES_OF[third_of(key)])
    if unasked and {"style": style, "mode": mode, "metre": metre} == HELD_OUT:
        return planned(seed, style=style, mode=third_of(key), drums=drums, key=key, bpm=bpm, metre=metre,
                       seconds=seconds)  # fmt: skip
    bpm = bpm or _bpm(seed)
    bars, seconds = _length(seed, bpm, metre, seconds)
    drums = draws(seed, "drums").random() < 0.5 if drums is None else drums
    sung = draws(seed, "lyrics").random() < SUNG.get(style, 0.0)
    language = draws(seed, "language").choice(LANGUAGES) if sung else "unknown"
    chords = _chords(seed, key, mode, bars, 60 / bpm * BEATS[metre])
    return Plan(seed, style, mode, key, bpm, metre, seconds, drums, language, chords)


def check(
    style: str | None, mode: str | None, key: str | None, bpm: int | None, metre: str | None, seconds: float | None
) -> None:
    """Raise `UserError` for a value that no piece has, or two that no piece has together."""
    for name, value, known in (("style", style, STYLES), ("mode", mode, MODES), ("metre", metre, METRES)):
        if value is not None and value not in known:
            raise UserError(f"There is no {name} '{value}'", f"use {', '.join(known)}")
    if key is not None and key not in KEYSCALES:
        raise UserError(f"'{key}' is no key", "write it as 'F# minor' or 'Bb major'")
    if bpm is not None and not SLOWEST <= bpm <= FASTEST:
        raise UserError(f"{bpm} BPM is outside of what is composed", f"use {SLOWEST} to {FASTEST}")
    if seconds is not None and not SHORTEST_S <= seconds <= LONGEST_S:
        raise UserError(f"{seconds} s is outside of what is composed", f"use {SHORTEST_S:.0f} to {LONGEST_S:.0f}")
    if style == "waltz" and metre not in (None, "3"):
        raise UserError(f"A waltz is in 3, not in {metre}", "leave the metre out, or use another style")
    if mode in ("major", "minor") and key and third_of(key) != mode:
        raise UserError(f"'{key}' is not {mode}", "leave the mode or the key out")
    if mode == "dorian" and key and third_of(key) != "minor":
        raise UserError(f"Dorian has a minor third, which '{key}' has not", f"use '{key.split()[0]} minor'")


def _style(seed: int, metre: str | None) -> str:
    fitting = [s for s in STYLES if s != "waltz" or metre in (None, "3")]
    return draws(seed, "style").choice(fitting)


def _key(seed: int, mode: str | None) -> str:
    rng = draws(seed, "key")
    thirds = {"major": ("major",), "minor": ("minor",), "dorian": ("minor",)}.get(mode or "", ("major", "minor"))
    third, number = rng.choice(thirds), rng.randrange(12)
    return f"{TONICS[third][number]} {third}"


def _bpm(seed: int) -> int:
    """Log-uniform: as many pieces from 60 to 85 as from 127 to 180."""
    return round(SLOWEST * (FASTEST / SLOWEST) ** draws(seed, "bpm").random())


def _length(seed: int, bpm: int, metre: str, seconds: float | None) -> tuple[int, float]:
    """Bars, and seconds in whole frames. Bars make phrases of four chords; what given `seconds` have over rings out."""
    bar_s = 60 / bpm * BEATS[metre]
    each = bars_per_chord(bar_s)
    if seconds:
        return each * int(seconds / (each * bar_s) + 1e-6), round(round(seconds / FRAME_S) * FRAME_S, 2)
    most = int((LONGEST_S - FRAME_S) / (4 * each * bar_s))
    phrases = draws(seed, "length").choice([n for n in range(1, most + 1) if 4 * n * each * bar_s >= SHORTEST_S])
    bars = 4 * phrases * each
    return bars, round((int(bars * bar_s / FRAME_S - 1e-6) + 1) * FRAME_S, 2)


def bars_per_chord(bar_s: float) -> int:
    return 1 if bar_s >= LEAST_CHORD_S else 2


def _chords(seed: int, keyscale: str, mode: str, bars: int, bar_s: float) -> tuple[Chord, ...]:
    each = bars_per_chord(bar_s)
    units = progression(keyscale, mode, bars // each, draws(seed, "chords"))
    return tuple(chord for chord in units for _ in range(each))
