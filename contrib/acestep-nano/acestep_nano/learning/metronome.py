"""What the model tells time by: waves in its silence, and the same tempos in what its text encoder says.

The decoder sees how far apart two frames are and not where a piece begins, so that no beat would have its place until
noise has settled it. With a wave for each of 24 tempos, and a tempo said as the share of each of them, the place of a
beat is one product of the two, which attention makes.
"""

import numpy as np

from acestep_core.parts import CHANNELS, FRAME_RATE_HZ
from acestep_nano.pieces import FASTEST, SLOWEST

SLOW_WAVES, SLOW_FRAMES = 8, (40, 1000)  # how many more, which tell where in the piece, and the first and last length
TEMPOS = np.geomspace(SLOWEST, FASTEST, CHANNELS // 2 - SLOW_WAVES)
_DEPTH = 4.0  # below silence, in units of the latents
_WIDTH = 0.6  # of a said tempo, in steps from one of TEMPOS to the next


def metronome(frames: int) -> np.ndarray:
    """float32 [T, 64] from 0 to `_DEPTH`: sines, then cosines, of the tempos and of slow waves."""
    waves = np.concatenate([TEMPOS / 60 / FRAME_RATE_HZ, 1 / np.geomspace(*SLOW_FRAMES, SLOW_WAVES)])
    angles = 2 * np.pi * np.arange(frames)[:, None] * waves
    return (_DEPTH / 2 * (1 + np.concatenate([np.sin(angles), np.cos(angles)], axis=1))).astype(np.float32)


def said(bpm: float) -> np.ndarray:
    """float32 [24], up to 1: how near each of TEMPOS is."""
    place = np.log(bpm / SLOWEST) / np.log(FASTEST / SLOWEST) * (len(TEMPOS) - 1)
    return np.exp(-0.5 * ((np.arange(len(TEMPOS)) - place) / _WIDTH) ** 2).astype(np.float32)
