"""Clips without a sound font: plain waves and noise, so that no result hangs on one set of samples."""

import numpy as np

from clips.compose import Clip

WAVES = {"sine": (1.0,), "organ": (1.0, 0.7, 0.2, 0.4), "triangle": (1.0, 0, 1 / 9, 0, 1 / 25),
         "square": (1.0, 0, 1 / 3, 0, 1 / 5, 0, 1 / 7), "saw": tuple(1 / n for n in range(1, 13))}  # fmt: skip
NAMES = tuple(WAVES)
DRUM_S = {36: 0.16, 38: 0.18, 40: 0.18, 37: 0.05, 39: 0.12, 42: 0.05, 44: 0.04, 46: 0.25, 51: 0.3, 70: 0.06, 49: 0.9}
LOUD = {0: 0.10, 1: 0.30, 2: 0.18, 3: 0.06}


def synthesised(clip: Clip, rate_hz: int) -> np.ndarray:
    """The clip as a wave [2, S]: each part takes the wave and the envelope that its program's number falls on."""
    beat_s, parts = 60 / clip.bpm, clip.parts
    end = max(t + length for _, _, notes in parts for t, length, *_ in notes) * beat_s + 1.5
    mono = np.zeros(round(end * rate_hz))
    noise = np.random.default_rng(round(clip.bpm * 10))
    for channel, program, notes in parts:
        for time, length, pitch, velocity in notes:
            if channel == 9:
                tone = _drum(noise, pitch, rate_hz)
            else:
                tone = LOUD[channel] * _tone(program, pitch + clip.cents / 100, length * beat_s, rate_hz)
            start = round(time * beat_s * rate_hz)
            part = mono[start : start + len(tone)]
            part += tone[: len(part)] * (velocity / 100) ** 2
    mono *= 0.5 / max(np.abs(mono).max(), 1e-9)
    return np.stack([mono, mono]).astype(np.float32)


def _tone(program: int, pitch: float, length_s: float, rate_hz: int) -> np.ndarray:
    wave = WAVES[NAMES[program % len(NAMES)]]
    plucked, release_s = program % 3 != 0, 0.05
    t = np.arange(round((length_s + release_s) * rate_hz)) / rate_hz
    hz = 440 * 2 ** ((pitch - 69) / 12)
    tone = sum(a * np.sin(2 * np.pi * hz * n * t) for n, a in enumerate(wave, 1) if a and hz * n < 0.45 * rate_hz)
    attack_s = 0.004 if plucked else 0.03
    envelope = np.minimum(1, t / attack_s) * np.clip((length_s + release_s - t) / release_s, 0, 1)
    return tone * envelope * (np.exp(-3 * t) if plucked else 1.0)


def _drum(noise: np.random.Generator, drum: int, rate_hz: int) -> np.ndarray:
    length = DRUM_S[drum]
    t = np.arange(round(length * rate_hz)) / rate_hz
    hiss = noise.standard_normal(len(t))
    if drum == 36:
        return 0.7 * np.sin(2 * np.pi * (50 * t - 8 * np.exp(-t * 40))) * np.exp(-t * 20)
    if drum in (38, 40, 39):
        return (0.22 * hiss + 0.25 * np.sin(2 * np.pi * 185 * t)) * np.exp(-t * 22)
    bright = np.diff(hiss, prepend=0.0)
    return (0.15 if drum == 49 else 0.08) * bright * np.exp(-t * 4 / length)
