"""Spectrograms as PNG files, drawn with what every installation has."""

from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core.audio import RATE_HZ
from acestep_core.spectrogram import spectrogram

if TYPE_CHECKING:
    import numpy as np

_DARKEST_DB, _LIGHTEST_DB = -80.0, -15.0
# From silence to loud; black over violet and orange to white.
_COLOURS = ((0, 0, 0), (40, 10, 84), (120, 28, 109), (188, 55, 84), (237, 105, 37), (251, 180, 26), (252, 255, 200))
_GAP = 6


def draw_pair(before: "np.ndarray", after: "np.ndarray", path: Path) -> Path:
    """Two waves [channels, S] at 48 kHz: the first above, the second below, low pitches at the bottom of each."""
    import numpy as np
    from PIL import Image

    rows = [_picture(wave) for wave in (before, after)]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    gap = np.full((_GAP, width, 3), 255, np.uint8)
    Image.fromarray(np.concatenate([padded[0], gap, padded[1]])).save(path)
    return path


def _picture(wave: "np.ndarray") -> "np.ndarray":
    """uint8 [bands, columns, 3]"""
    import numpy as np

    level, _ = spectrogram(wave, RATE_HZ)
    share = np.clip((level[::-1] - _DARKEST_DB) / (_LIGHTEST_DB - _DARKEST_DB), 0, 1) * (len(_COLOURS) - 1)
    known = np.arange(len(_COLOURS))
    return np.stack([np.interp(share, known, [c[i] for c in _COLOURS]) for i in range(3)], axis=2).astype(np.uint8)
