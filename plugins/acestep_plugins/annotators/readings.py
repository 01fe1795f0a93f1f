"""Readings of a pulse: which of its multiples is the beat and how beats make bars, weighed together.

A reading says how often notes, loud and low and high ones, and changes of harmony come at each place of its bar; what
is at other places is stray. What was heard is as likely as draws from these densities, times how common the tempo, the
metre and the subdivision are. To weigh all levels together is of Klapuri, Eronen and Astola 2006, who give the usual
beat as 0.55 s; that stronger places of the bar have more notes, of Palmer and Krumhansl 1990. The numbers below are
round judgements; twice or half of the weights changes what is heard by a few clips in a hundred.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, rfft

PERIODS = (1.0, 0.5, 2.0, 1 / 3, 3.0, 2 / 3, 1.5, 0.25, 4.0, 0.75, 4 / 3)  # of the beat, in pulses
BEATS = {"4": 4, "3": 3, "6": 2}
SHARES = {"4": 0.6, "3": 0.2, "6": 0.2}  # in records four is still more common, but then the others are never heard
CENTRES = {"4": 1.0, "3": 1.15, "6": 0.8}  # the usual tempo, to that of four: waltzes are faster, 6/8 counts in two
WIDTHS = {"4": 0.5, "3": 0.5, "6": 0.4}  # octaves
SLOWEST, FASTEST = 40.0, 220.0
INDEPENDENT_S = 8.0  # of music; patterns come back after some four bars and then prove nothing new
SECTION_S = 25.0  # bars are placed anew: where a beat is dropped or added, or lost in tracking, they shift
PARTS = 48  # of a beat: places are told apart to 1/48
# Strength expected on each beat of a bar, 1 being that of the loudest; `notes` count alike however loud they are. In
# four the kick and the bass come on one and three, the snare on two and four.
ON_BEATS = {
    "notes": {"4": (0.9, 0.8, 0.85, 0.8), "3": (0.9, 0.8, 0.8), "6": (0.9, 0.85)},
    "loud": {"4": (0.9, 0.7, 0.8, 0.7), "3": (0.9, 0.7, 0.7), "6": (0.9, 0.8)},
    "low": {"4": (0.85, 0.3, 0.55, 0.3), "3": (0.85, 0.25, 0.25), "6": (0.85, 0.5)},
    "high": {"4": (0.5, 0.75, 0.5, 0.75), "3": (0.55, 0.55, 0.55), "6": (0.5, 0.75)},
}
BETWEEN = {"notes": 1.0, "loud": 0.4, "low": 0.4, "high": 0.5}  # how strong they are between beats, to those on beats
# Changes of harmony on each beat, and how common this is: with the bar, or with half of it too.
CHANGES = {
    "4": ((0.75, (1.0, 0.05, 0.05, 0.05)), (0.25, (1.0, 0.05, 0.8, 0.05))),
    "3": ((0.9, (1.0, 0.05, 0.05)), (0.1, (1.0, 0.05, 0.5))),
    "6": ((0.8, (1.0, 0.05)), (0.2, (1.0, 0.8))),
}
HARMONIC = ("harmony", "chords")
# Places between beats and the share of notes there, to those on beats.
PLAIN, EIGHTHS = (), ((1 / 2, 0.8),)
SIXTEENTHS = ((1 / 2, 0.8), (1 / 4, 0.4), (3 / 4, 0.5))
SWUNG, THIRDS = ((2 / 3, 0.7),), ((1 / 3, 0.75), (2 / 3, 0.85))
SIMPLE = ((0.2, PLAIN), (0.5, EIGHTHS), (0.2, SIXTEENTHS), (0.1, SWUNG))  # how common: beats are mostly halved
SPLITS = {"4": SIMPLE, "3": SIMPLE, "6": ((0.9, THIRDS), (0.1, SWUNG))}
SPREAD_S = {"notes": 0.02, "loud": 0.02, "low": 0.02, "high": 0.02, "harmony": 0.075, "chords": 0.075}
# The kinds of notes are much the same events; a change of harmony proves more, as it does not come back each bar.
WEIGHTS = {"notes": 0.7, "loud": 0.5, "low": 0.7, "high": 0.5, "harmony": 1.5, "chords": 1.5}
STRAYS = (0.1, 0.3, 0.6)  # share of events that belong nowhere: what fits best


@dataclass(frozen=True)
class Events:
    """Times in seconds, and strengths from 0 to 1."""

    times: np.ndarray
    strengths: np.ndarray


@dataclass(frozen=True)
class Reading:
    """`bpm` counts the beats of `metre`; `chance` is the natural logarithm of its likelihood, up to a constant."""

    bpm: float
    metre: str
    chance: float


def readings(events: dict[str, Events], beats: np.ndarray, bpm: float, centre: float) -> list[Reading]:
    """Every reading of a pulse of `bpm` with these beats (seconds), its bars placed where they fit best."""
    return [
        _reading(events, beats, bpm / period, period, metre, centre)
        for period in PERIODS for metre in BEATS
        if SLOWEST <= bpm / period <= FASTEST
    ]  # fmt: skip


def _reading(
    events: dict[str, Events], beats: np.ndarray, bpm: float, period: float, metre: str, centre: float
) -> Reading:
    folded = {kind: rfft(_folded(e, beats, period, BEATS[metre] * PARTS)) for kind, e in events.items()}
    notes = [(np.log(share), _fits(folded, bpm, {k: (v[metre], split) for k, v in ON_BEATS.items()}))
             for share, split in SPLITS[metre]]  # fmt: skip
    changes = [(np.log(share), _fits(folded, bpm, dict.fromkeys(HARMONIC, (on_beats, ()))))
               for share, on_beats in CHANGES[metre]]  # fmt: skip
    evidence = INDEPENDENT_S / (beats[-1] - beats[0])
    found = [a + b + evidence * (fit + other).max(axis=1).sum() for a, fit in notes for b, other in changes]
    usual = -0.5 * (np.log2(bpm / (centre * CENTRES[metre])) / WIDTHS[metre]) ** 2
    return Reading(bpm, metre, float(np.logaddexp.reduce(found) + usual + np.log(SHARES[metre] / WIDTHS[metre])))


def _folded(events: Events, beats: np.ndarray, period: float, bins: int) -> np.ndarray:
    """How much is heard at each place of the bar [sections, bins]; only between the first and the last beat."""
    inside = (events.times >= beats[0]) & (events.times < beats[-1])
    times, length_s = events.times[inside], beats[-1] - beats[0]
    place = np.round(np.interp(times, beats, np.arange(len(beats))) / period * PARTS).astype(int) % bins
    sections = max(1, round(length_s / SECTION_S))
    section = ((times - beats[0]) * sections / length_s).astype(int)
    return np.bincount(section * bins + place, events.strengths[inside], sections * bins).reshape(sections, bins)


def _fits(folded: dict[str, np.ndarray], bpm: float, expected: dict[str, tuple]) -> np.ndarray:
    """Logarithm of the likelihood of each section for each place at which its bars may start."""
    return sum(WEIGHTS[kind] * _fit(folded[kind], density(kind, bpm, *places)) for kind, places in expected.items())


def _fit(spectrum: np.ndarray, usual: np.ndarray) -> np.ndarray:
    strays = np.array(STRAYS)[:, None, None]
    tried = irfft(np.conj(rfft(np.log(strays + (1 - strays) * usual))) * spectrum, len(usual))
    return np.take_along_axis(tried, tried.max(axis=2, keepdims=True).argmax(axis=0)[None], axis=0)[0]


def density(kind: str, bpm: float, on_beats: tuple[float, ...], split: tuple[tuple[float, float], ...]) -> np.ndarray:
    """What is expected at each place of the bar [beats * PARTS], with mean 1."""
    bins = len(on_beats) * PARTS
    places = np.zeros(bins)
    for beat, strength in enumerate(on_beats):
        places[beat * PARTS] = strength
        for place, share in split:
            places[beat * PARTS + round(place * PARTS)] = BETWEEN[kind] * share * np.mean(on_beats)
    distance_s = np.minimum(np.arange(bins), bins - np.arange(bins)) * 60 / bpm / PARTS
    bell = np.exp(-0.5 * (distance_s / SPREAD_S[kind]) ** 2)
    rate = irfft(rfft(places) * rfft(bell), bins).clip(0)
    return rate / rate.mean()
