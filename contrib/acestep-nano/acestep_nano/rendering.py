"""Pieces as sound: tones of few partials with quick attacks, and three drums of noise and a sine.

A tone is a sum of decaying sines, which one small matrix product makes: exp(z n) = exp(z K a) exp(z b), n = K a + b.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft

from acestep_nano.pieces import STEMS, Note, Piece

RATE_HZ = 48_000
ATTACK_S, RELEASE_S = 0.004, 0.03
HIGHEST_HZ = 2000.0  # no partial lies above: there are the snare and the hat
TONES_RMS = 0.09  # of melody, chords and bass together, whatever the style
DRUM_PEAKS = {"kick": 0.40, "snare": 0.22, "hat": 0.12}
PEAK = 0.9  # a louder mix is turned down as a whole
COLUMNS = 256  # the K of above


@dataclass(frozen=True)
class Timbre:
    """`partials` are amplitudes of the first, second and so on; each dies away by `decay` a second times its number."""

    partials: tuple[float, ...]
    decay: float
    level: float = 1.0


FLUTE, VOICE = Timbre((1.0, 0.25, 0.1), 0.3, 1.0), Timbre((1.0, 0.6, 0.35, 0.2, 0.1), 0.3, 0.8)
PAD, ORGAN = Timbre((1.0, 0.15), 0.15, 0.35), Timbre((1.0, 0.55, 0.3, 0.25), 0.6, 0.45)
HARP, BELL = Timbre((1.0, 0.4, 0.2, 0.1), 2.2), Timbre((1.0, 0.3, 0.15), 1.8, 0.8)
ACCORDION, STAB = Timbre((1.0, 0.5, 0.4, 0.25), 2.0, 0.45), Timbre((1.0, 0.35, 0.2), 2.5, 0.3)
SOFT_BASS, RIFF_BASS = Timbre((1.0, 0.6, 0.25), 0.8, 0.7), Timbre((1.0, 0.8, 0.6, 0.4, 0.3), 1.6, 1.1)
TIMBRES = {
    "arpeggio": {"melody": FLUTE, "chords": HARP, "bass": Timbre((1.0, 0.6), 0.8, 0.4)},
    "chords": {"melody": FLUTE, "chords": ORGAN, "bass": SOFT_BASS},
    "melody": {"melody": FLUTE, "chords": PAD, "bass": Timbre((1.0, 0.6, 0.2), 2.0, 0.45)},
    "bass riff": {"melody": FLUTE, "chords": STAB, "bass": RIFF_BASS},
    "waltz": {"melody": FLUTE, "chords": ACCORDION, "bass": Timbre((1.0, 0.7, 0.3), 1.5, 0.9)},
    "bells": {"melody": FLUTE, "chords": BELL, "bass": Timbre((1.0, 0.4), 0.5, 0.25)},
}


def render(piece: Piece) -> np.ndarray:
    """The piece as float32 [2, S] at 48 kHz, the same on both channels."""
    return np.sum(list(stems(piece).values()), axis=0, dtype=np.float32)


def stems(piece: Piece) -> dict[str, np.ndarray]:
    """melody, chords, bass and drums, each [2, S], that add up to the whole; silent where the piece has none."""
    parts = {part: np.zeros(round(piece.seconds * RATE_HZ), np.float32) for part in STEMS}
    _play_notes(piece, parts)
    loud = np.sqrt(np.mean(np.square(sum(parts.values()))))
    for part in parts.values():
        part *= np.float32(TONES_RMS / max(loud, 1e-9))
    for hit in piece.hits:
        _add(parts["drums"], _drum(hit.drum), hit.time_s, DRUM_PEAKS[hit.drum])
    peak = np.abs(sum(parts.values())).max()
    factor = np.float32(min(1.0, PEAK / max(peak, 1e-9)))
    return {part: np.stack([wave * factor] * 2) for part, wave in parts.items()}


def _play_notes(piece: Piece, parts: Mapping[str, np.ndarray]) -> None:
    """Each pitch of a part is made once, as long as its longest note."""
    timbres = dict(TIMBRES[piece.style])
    if piece.lyrics:
        timbres["melody"] = VOICE
    longest: dict[tuple[str, int], float] = {}
    for note in piece.notes:
        key = (note.part, note.pitch)
        longest[key] = max(longest.get(key, 0.0), note.duration_s)
    tones = {key: tone(timbres[key[0]], key[1], s + RELEASE_S) for key, s in longest.items()}
    for note in piece.notes:
        level = timbres[note.part].level * (note.velocity / 100) ** 1.5
        _add(parts[note.part], _cut(tones[note.part, note.pitch], note), note.start_s, level)


def tone(timbre: Timbre, pitch: int, seconds: float) -> np.ndarray:
    """A note that is never let go, of the MIDI number `pitch`; its loudness does not depend on the pitch."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    heard = [(n, a) for n, a in enumerate(timbre.partials, 1) if n * hz < HIGHEST_HZ]
    numbers, amplitudes = (np.array(column, np.float64) for column in zip(*heard, strict=True))
    z = (2j * math.pi * hz - timbre.decay) * numbers / RATE_HZ
    rows = math.ceil(seconds * RATE_HZ / COLUMNS)
    coarse = amplitudes * np.exp(np.outer(np.arange(rows) * COLUMNS, z))
    fine = np.exp(np.outer(z, np.arange(COLUMNS)))
    left = np.hstack([coarse.imag, coarse.real]).astype(np.float32)
    wave = (left @ np.vstack([fine.real, fine.imag]).astype(np.float32)).ravel()
    attack = round(ATTACK_S * RATE_HZ)
    wave[:attack] *= np.linspace(0, 1, attack, dtype=np.float32)
    return wave


def _cut(wave: np.ndarray, note: Note) -> np.ndarray:
    release = round(RELEASE_S * RATE_HZ)
    cut = wave[: round(note.duration_s * RATE_HZ) + release].copy()
    cut[-release:] *= _fall(release)
    return cut


@lru_cache
def _fall(samples: int) -> np.ndarray:
    return (0.5 + 0.5 * np.cos(np.linspace(0, math.pi, samples))).astype(np.float32)


def _add(part: np.ndarray, wave: np.ndarray, start_s: float, level: float) -> None:
    place = part[round(start_s * RATE_HZ) :][: len(wave)]
    place += np.float32(level) * wave[: len(place)]


@lru_cache
def _drum(name: str) -> np.ndarray:
    """A drum with its peak at 1."""
    wave = {"kick": _kick, "snare": lambda: _noise(0.18, 28.0, (2000.0, 5000.0), "snare"),
            "hat": lambda: _noise(0.06, 90.0, (6000.0, 12_000.0), "hat")}[name]()  # fmt: skip
    return (wave / np.abs(wave).max()).astype(np.float32)


def _kick() -> np.ndarray:
    """A sine that falls from 60 to 44 Hz, below the lowest tone, and a click of noise, which is the onset one hears."""
    t = np.arange(round(0.22 * RATE_HZ)) / RATE_HZ
    sweep = np.sin(2 * math.pi * (44 * t + 16 * 0.05 * (1 - np.exp(-t / 0.05)))) * np.exp(-t * 14)
    sweep *= np.minimum(1, (t[-1] - t) / 0.05) * np.minimum(1, t / 0.008)
    click = _noise(0.012, 400.0, (2000.0, 5000.0), "click")
    sweep[: len(click)] += 0.35 * click / np.abs(click).max()
    return sweep


def _noise(seconds: float, decay: float, band_hz: tuple[float, float], name: str) -> np.ndarray:
    """Noise of one band that dies away; its phases come from Python's generator, which is the same everywhere."""
    samples = round(seconds * RATE_HZ)
    low, high = (round(hz * samples / RATE_HZ) for hz in band_hz)
    rng = random.Random(name)
    spectrum = np.zeros(samples // 2 + 1, complex)
    spectrum[low:high] = np.exp([2j * math.pi * rng.random() for _ in range(high - low)])
    t = np.arange(samples) / RATE_HZ
    return irfft(spectrum, samples) * np.exp(-decay * t) * np.minimum(1, (t[-1] - t) / (0.1 * seconds))
