"""What happens when: notes, loud, low and high ones, and changes of harmony, each with a strength from 0 to 1."""

import numpy as np
from scipy.ndimage import maximum_filter1d

from acestep_plugins.annotators.changes import chord_changes
from acestep_plugins.annotators.key import HIGHEST, HIGHEST_BASS, chroma, tuning_of
from acestep_plugins.annotators.readings import Events
from acestep_plugins.annotators.spectrum import Sound

FULL_PER_S = 0.75  # so many notes a second count as loudest: one or two a bar
NOTE_APART_S = 0.05  # notes nearer than this are one
THERE = (0.05, 0.25)  # of the loudest: a note below the former is noise, above the latter it is surely there
AROUND_S, GAP_S = 0.75, 0.1  # harmony is compared before and after; the gap is what the window smears
LOW_PITCH = 55  # G3: roots of chords lie below
LEAST_CHANGE = 0.15  # 1 - cosine; below, the same chord sounds on
CHANGES_PER_S, CHANGE_APART_S = 0.4, 0.25  # chords last a bar or so
CHORD_FRAMES = 2  # together, 93 ms: a fourth of the window
UNSURE = 0.1  # less likely changes of the chord are left out


def events_of(sound: Sound) -> dict[str, Events]:
    """`notes` are as strong as they are surely there, chords as their change is sure, all else as it is loud."""
    loud, low, high = (c / _loudest(c, sound.rate_hz) for c in (sound.onsets, sound.low_onsets, sound.high_onsets))
    at, strength = _maxima(np.maximum(loud, high), sound.rate_hz, NOTE_APART_S)
    there = np.clip((strength - THERE[0]) / (THERE[1] - THERE[0]), 0, 1)
    found = {"notes": Events(at, there)}
    for kind, curve in (("loud", loud), ("low", low), ("high", high)):
        at, strength = _maxima(curve, sound.rate_hz, NOTE_APART_S)
        found[kind] = Events(at, np.minimum(strength, 1.0) ** 2)
    return {**found, "harmony": _harmony(sound), "chords": _chords(sound)}


def _harmony(sound: Sound) -> Events:
    at, change = _maxima(harmony_changes(sound), sound.frame_hz, CHANGE_APART_S)
    large = max(_exceeded(change, round(CHANGES_PER_S * sound.frames / sound.frame_hz)), LEAST_CHANGE)
    return Events(at, np.minimum(change / large, 1.0) ** 2)


def _chords(sound: Sound) -> Events:
    tuning, rate_hz = tuning_of(sound), sound.frame_hz / CHORD_FRAMES
    chance = chord_changes(*(chroma(sound, tuning, CHORD_FRAMES, top) for top in (HIGHEST, HIGHEST_BASS)), rate_hz)
    at, sure = _maxima(chance, rate_hz, CHANGE_APART_S)
    return Events(at[sure > UNSURE] - 0.5 / rate_hz, sure[sure > UNSURE])


def _loudest(curve: np.ndarray, rate_hz: float) -> float:
    return max(_exceeded(_maxima(curve, rate_hz, NOTE_APART_S)[1], round(FULL_PER_S * len(curve) / rate_hz)), 1e-9)


def _exceeded(values: np.ndarray, times: int) -> float:
    """The value that so many of the values reach; the least of them where there are fewer."""
    return float(np.sort(values)[::-1][: max(1, times)][-1]) if len(values) else 0.0


def _maxima(curve: np.ndarray, rate_hz: float, apart_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Times in seconds and heights of the local maxima above 0."""
    wide = maximum_filter1d(curve, 2 * max(1, round(apart_s * rate_hz)) + 1)
    at = np.nonzero((curve == wide) & (curve > 0))[0]
    return at / rate_hz, curve[at]


def harmony_changes(sound: Sound) -> np.ndarray:
    """1 - cosine between the chroma before and after each frame, the mean of the low and the whole register."""
    tuning = tuning_of(sound)
    return np.mean([_changes(chroma(sound, tuning, 1, top), sound.frame_hz) for top in (LOW_PITCH, HIGHEST)], axis=0)


def _changes(frames: np.ndarray, frame_hz: float) -> np.ndarray:
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(frames, axis=0)])
    gap, reach = round(GAP_S * frame_hz), round(AROUND_S * frame_hz)
    now = np.arange(len(frames))
    ends = [np.clip(now + n, 0, len(frames)) for n in (-reach, -gap, gap, reach)]
    before, after = total[ends[1]] - total[ends[0]], total[ends[3]] - total[ends[2]]
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return np.where(norms > 1e-9, 1 - np.sum(before * after, axis=1) / np.maximum(norms, 1e-9), 0.0)
