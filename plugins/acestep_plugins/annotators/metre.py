"""Metre and beat: the likeliest reading of the pulses that were found, and how likely the others are."""

from dataclasses import dataclass

import numpy as np

from acestep_plugins.annotators.events import events_of
from acestep_plugins.annotators.readings import Reading, readings
from acestep_plugins.annotators.spectrum import Sound
from acestep_plugins.annotators.tempo import Pulse

LEAST_BEATS = 8  # two bars of four: with fewer nothing repeats
SAME = 0.04  # tempi nearer than this are one
UNLIKELY = 0.001  # of the likelihood: other tempi with less are not told, octaves always


@dataclass(frozen=True)
class Metre:
    """`bpm` is that of the beat the metre counts, `alternatives` are other tempi with their shares of the likelihood.

    Confidences are the share of all readings with this metre or tempo, less where the pulse is irregular.
    """

    timesignature: str | None
    confidence: float
    bpm: float
    bpm_confidence: float
    alternatives: tuple[tuple[float, float], ...]


def find_metre(sound: Sound, pulses: list[Pulse], centre: float) -> Metre:
    """The metre and beat of at least one pulse, the strongest first."""
    heard = [p for p in pulses if len(p.beats) >= LEAST_BEATS]
    if not heard:
        return Metre(None, 0.0, pulses[0].bpm, 0.0, ())
    events = events_of(sound)
    found = sorted((r for p in heard for r in readings(events, p.beats, p.bpm, centre)), key=lambda r: -r.chance)
    best, regularity = found[0], pulses[0].regularity
    weights = np.exp([r.chance - best.chance for r in found])
    (_, bpm_share), *others = _tempi(found, weights)
    told = tuple((round(bpm, 1), round(share, 3)) for bpm, share in others if share >= UNLIKELY or _octave(bpm, best))
    share = _metre_share(found, weights)
    return Metre(best.metre, regularity * share, best.bpm, regularity * bpm_share, told)


def _metre_share(found: list[Reading], weights: np.ndarray) -> float:
    likeliest = [max(w for r, w in zip(found, weights, strict=True) if r.metre == m) for m in {r.metre for r in found}]
    return float(max(likeliest) / sum(likeliest))


def _tempi(found: list[Reading], weights: np.ndarray) -> list[tuple[float, float]]:
    """Tempi with their shares of the likelihood, the likeliest first."""
    tempi: list[tuple[float, float]] = []
    for reading, weight in zip(found, weights, strict=True):
        if not any(abs(reading.bpm / bpm - 1) < SAME for bpm, _ in tempi):
            tempi.append((reading.bpm, weight))
    total = sum(weight for _, weight in tempi)
    return [(bpm, float(weight / total)) for bpm, weight in tempi]


def _octave(bpm: float, best: Reading) -> bool:
    return any(abs(bpm / best.bpm / ratio - 1) < SAME for ratio in (2.0, 0.5))
