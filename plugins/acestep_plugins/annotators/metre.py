"""Metre: every how many beats the harmony changes and the bass accents fall, and whether beats fall in three."""

from dataclasses import dataclass

import numpy as np

from acestep_plugins.annotators.key import HIGHEST, chroma, tuning_of
from acestep_plugins.annotators.spectrum import Sound, loudest_near
from acestep_plugins.annotators.tempo import Tempo, at_tempo, onsets_within, prior, tempo_at

LEAST_BEATS = 8  # two bars of four: with fewer nothing repeats
HARMONY, BASS, ACCENT = 1.0, 0.5, 0.5  # harmony changes with the bar more surely than drums accent it
RHYTHM = 1.0  # of all onsets repeating, to accents repeating: without drums the former is clearer
FOUR_LEAD = 0.10  # correlation by which three must beat four: most music is in four
TRIPLE_LEAD = 1.15  # how much stronger thirds of the beat must be than its half
LEAST_THIRD = 0.05  # of the strength of the beat
EMPTY, CROWDED = 0.05, 0.2  # onsets between beats, of those on beats: hardly any; as many as a subdivision of its own
UNLIKELY = 0.5  # weight of a reading with nothing between its beats, or with quarters of a beat that ring out
AUDIBLE = 0.1  # evidence for the other pulse; equal clicks have none for half their tempo
USUAL_BPM = (60.0, 200.0)  # few songs are counted slower or faster
LOW_PITCH = 55  # G3: roots of chords lie below


@dataclass(frozen=True)
class Metre:
    """`bpm` is that of the beat the metre counts, which may be another pulse than the tempo's."""

    timesignature: str | None
    confidence: float
    bpm: float


def find_metre(sound: Sound, tempo: Tempo, centre: float) -> Metre:
    if len(tempo.beats) < LEAST_BEATS:
        return Metre(None, 0.0, tempo.bpm)
    lead = triple_lead(sound, tempo)
    if lead > 0 and _farther(tempo.bpm, tempo.bpm / 3, centre):
        return Metre("6", _confidence(lead), tempo.bpm / 3)
    if lead <= 0 and (ratio := better_level(sound, tempo, centre)) != 1:
        tempo = tempo_at(sound, tempo.bpm * ratio, tempo.pulse, tempo.strengths)
        lead = triple_lead(sound, tempo)
    if (thirds := in_thirds(sound, tempo.beats)) > 0:
        return _compound(tempo.bpm, float(np.clip(0.5 + thirds, 0, 1)), centre)
    return Metre("3" if lead > 0 else "4", _confidence(lead), tempo.bpm)


def better_level(sound: Sound, tempo: Tempo, centre: float) -> float:
    """0.5 or 2 where the beat is rather half or twice as fast, else 1: beats are mostly split, seldom in four."""
    beat, *between = onsets_within(sound, tempo.beats, (0, 1 / 3, 1 / 2, 2 / 3, 1 / 4, 3 / 4))
    split, quarters = max(between[:3]) / beat, min(between[3:]) / beat
    ratio = 0.5 if split < EMPTY else 2.0 if quarters > CROWDED else 1.0
    return ratio if _is_likely(tempo, tempo.bpm * ratio, centre) else 1.0


def _is_likely(tempo: Tempo, bpm: float, centre: float) -> bool:
    """Whether a pulse at `bpm` can be heard and, the prior counted, is at least half as regular as the tempo's own."""
    heard = at_tempo(tempo.strengths, bpm) > AUDIBLE * at_tempo(tempo.strengths, tempo.bpm)
    now, then = (at_tempo(tempo.pulse, b) * prior(b, centre) for b in (tempo.bpm, bpm))
    return heard and USUAL_BPM[0] <= bpm <= USUAL_BPM[1] and then > UNLIKELY * now


def _compound(bpm: float, confidence: float, centre: float) -> Metre:
    """Beats in three are 6/8, or the bars of a fast waltz where its beats are the more usual tempo."""
    if _farther(bpm, 3 * bpm, centre):
        return Metre("3", confidence / 2, 3 * bpm)
    return Metre("6", confidence, bpm)


def _farther(bpm: float, other: float, centre: float) -> bool:
    """Whether `bpm` is farther from the expected tempo than `other`, in octaves."""
    return abs(np.log(bpm / centre)) > abs(np.log(other / centre))


def triple_lead(sound: Sound, tempo: Tempo) -> float:
    """Correlation by which bars of three beat bars of two and four; chords may last one bar or two."""
    accents = beat_accents(sound, tempo.beats)
    found = {lag: repeats(accents, lag) + RHYTHM * rhythm_repeats(sound, tempo.bpm, lag) for lag in (2, 3, 4, 6, 8)}
    return max(found[3], found[6]) - max(found[2], found[4], found[8]) - FOUR_LEAD


def _confidence(lead: float) -> float:
    return float(np.clip(0.5 + abs(lead), 0, 1))


def beat_accents(sound: Sound, beats: np.ndarray) -> np.ndarray:
    """How much each beat sounds like the start of a bar, standardised [beats]."""
    parts = [(HARMONY, harmony_changes(sound, beats)), (BASS, loudest_near(sound.low_onsets, sound.rate_hz, beats)),
             (ACCENT, loudest_near(sound.onsets, sound.rate_hz, beats))]  # fmt: skip
    return sum(weight * _standard(values) for weight, values in parts)


def harmony_changes(sound: Sound, beats: np.ndarray) -> np.ndarray:
    """1 - cosine between the chroma of the beat before and the beat after, in the low and the whole register."""
    tuning = tuning_of(sound)
    return sum(_changes(chroma(sound, tuning, 1, top), sound.frame_hz, beats) for top in (LOW_PITCH, HIGHEST))


def _changes(frames: np.ndarray, frame_hz: float, beats: np.ndarray) -> np.ndarray:
    edges = np.concatenate([[2 * beats[0] - beats[1]], beats, [2 * beats[-1] - beats[-2]]])
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(frames, axis=0)])
    at = np.clip(np.round(edges * frame_hz).astype(int), 0, len(frames))
    each = np.diff(total[at], axis=0)
    each /= np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-9)
    return 1 - np.sum(each[:-1] * each[1:], axis=1)


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(values.std(), 1e-9)


def repeats(accents: np.ndarray, lag: int) -> float:
    """Correlation of the accents with themselves `lag` beats later; a few pairs of beats prove little."""
    a, b = accents[:-lag], accents[lag:]
    shrunk = len(a) / len(accents)
    return shrunk * float(np.mean(_standard(a) * _standard(b))) if len(a) > 2 else 0.0


def rhythm_repeats(sound: Sound, bpm: float, lag: int) -> float:
    """Correlation of all onsets with themselves about `lag` beats later."""
    onsets, middle = _standard(sound.onsets), round(60 * sound.rate_hz / bpm * lag)
    lags = [n for n in range(middle - 2, middle + 3) if 0 < n < len(onsets)]
    return max((float(np.dot(onsets[:-n], onsets[n:])) / len(onsets) for n in lags), default=0.0)


def in_thirds(sound: Sound, beats: np.ndarray) -> float:
    """By how much of the beat's strength both thirds are stronger than the half; swing fills only the second."""
    beat, first, half, second = onsets_within(sound, beats, (0, 1 / 3, 1 / 2, 2 / 3))
    weaker = min(first, second) / beat
    return weaker - TRIPLE_LEAD * half / beat if weaker > LEAST_THIRD else 0.0
