"""Key: how well pitch classes fit the profiles of the 24 keys, and chords their order, after tuning is taken out."""

from dataclasses import dataclass

import numpy as np

from acestep_plugins.annotators.chords import key_chances
from acestep_plugins.annotators.spectrum import Sound

MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
KRUMHANSL = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)  # Krumhansl and Kessler 1982
SHAATH = (
    (6.6, 2.0, 3.5, 2.3, 4.6, 4.0, 2.5, 5.2, 2.4, 3.7, 2.3, 3.4),
    (6.5, 2.7, 3.5, 5.4, 2.6, 3.5, 2.5, 5.2, 4.0, 2.7, 4.3, 3.2),
)  # Sha'ath 2011, KeyFinder
SHARPNESS = 0.18  # semitones: a partial half a semitone off counts almost nothing
LOUDNESS_POWER = 0.5  # between counting partials alike and hearing only the loudest
OVERTONES = ((3, 19), (5, 28), (6, 31), (7, 34))  # number and semitones above the first partial
OVERTONE_DECAY = 0.8  # strength of a partial to the one before; instruments lie between 0.6 (Gómez 2006) and 0.9
HIGHEST = 127  # MIDI number
SEGMENT_S = 1.5  # about a chord: a loud chorus does not outvote the rest
CHORD_S = 0.37  # one window; chords are followed from one to the next
HIGHEST_BASS = 52  # E3
LEAST_FIT = 0.35  # correlation; random chroma fits its best of 24 keys little better
SECTION_S = 25.0  # of music; after that chords mostly come back
PROFILE = 10.0  # nats a section for full correlation with the profile: as much as the chords of some bars
CLEAR_LEAD = 3.0  # nats a section over the next key at which the confidence is half


@dataclass(frozen=True)
class Key:
    """`name` is None where the sound has no key."""

    name: str | None
    confidence: float
    tuning_cents: float | None


def find_key(sound: Sound) -> Key:
    if not len(sound.pitch):
        return Key(None, 0.0, None)
    tuning = tuning_of(sound)
    frames = max(1, round(CHORD_S * sound.frame_hz))
    segments, bass = (chroma(sound, tuning, frames, top) for top in (HIGHEST, HIGHEST_BASS))
    fits = key_fits(chroma(sound, tuning, max(1, round(SEGMENT_S * sound.frame_hz))).mean(axis=0))
    cents = round(100 * tuning, 1)
    if fits.max() < LEAST_FIT:
        return Key(None, 0.0, cents)
    sections = max(1.0, sound.frames / sound.frame_hz / SECTION_S)
    chances = key_chances(segments, bass, frames / sound.frame_hz) + sections * PROFILE * fits
    best = int(chances.argmax())
    lead = (chances[best] - np.delete(chances, best).max()) / sections
    return Key(_name(best), float(max(fits[best], 0.0) * lead / (lead + CLEAR_LEAD)), cents)


def tuning_of(sound: Sound) -> float:
    """Semitones by which the partials lie above the nearest tempered pitch at A = 440 Hz, -0.5 to 0.5."""
    mean = np.sum(sound.weight * np.exp(2j * np.pi * sound.pitch))
    return float(np.angle(mean) / (2 * np.pi))


def chroma(sound: Sound, tuning: float, frames_each: int, highest: int = HIGHEST) -> np.ndarray:
    """[segments, 12], each with sum 1 (or 0 where it is silent), of notes up to the MIDI number `highest`."""
    loud = without_overtones(notes(sound, tuning))[:, : highest + 1] ** LOUDNESS_POWER
    octaves = np.pad(loud, ((0, -len(loud) % frames_each), (0, -loud.shape[1] % 12)))
    total = octaves.reshape(-1, frames_each, octaves.shape[1] // 12, 12).sum(axis=(1, 2))
    return total / np.maximum(total.sum(axis=1, keepdims=True), 1e-9)


def notes(sound: Sound, tuning: float) -> np.ndarray:
    """Magnitude of the partials at each MIDI number [frames, 128]; those between two notes count little."""
    pitch = sound.pitch - tuning
    near = np.round(pitch)
    weight = sound.weight * np.exp(-0.5 * ((pitch - near) / SHARPNESS) ** 2)
    return np.bincount(sound.frame * 128 + near.astype(int), weight, 128 * sound.frames).reshape(-1, 128)


def without_overtones(loud: np.ndarray) -> np.ndarray:
    """What of each note is more than an overtone of lower ones. Octaves stay: they do not change a pitch class."""
    left = loud.copy()
    for number, semitones in OVERTONES:
        left[:, semitones:] -= OVERTONE_DECAY ** (number - 1) * loud[:, :-semitones]
    return np.maximum(left, 0.0)


def key_fits(mean_chroma: np.ndarray) -> np.ndarray:
    """Correlation with the 24 keys, C major first, C minor at 12: the mean over both sets of profiles."""
    return np.mean([np.corrcoef(np.vstack([mean_chroma, _all_keys(p)]))[0, 1:] for p in (KRUMHANSL, SHAATH)], axis=0)


def _all_keys(profiles: tuple[tuple[float, ...], ...]) -> np.ndarray:
    return np.array([np.roll(profile, tonic) for profile in profiles for tonic in range(12)])


def _name(number: int) -> str:
    return f"{MINOR_NAMES[number - 12]} minor" if number >= 12 else f"{MAJOR_NAMES[number]} major"
