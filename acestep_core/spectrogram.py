"""What a picture of a sound shows: the level of each pitch over time, and the range of the samples."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LOWEST_HZ, HIGHEST_HZ = 30.0, 20_000.0
_WINDOW = 4096
_BANDS, _COLUMNS = 256, 1200
_LOOKS = 4  # windows of a column at most: of a long song, not all of it is looked at
_SILENCE = 1e-12


def spectrogram(wave: "np.ndarray", rate_hz: int) -> "tuple[np.ndarray, np.ndarray]":
    """(dBFS [bands, columns], edges of the bands in Hz) of a wave [channels, S]; a full sine is within 2 dB of 0.

    Bands are equally wide to the ear: the same share of an octave each.
    """
    import numpy as np

    mono = np.pad(wave.mean(axis=0), _WINDOW // 2)
    hops = max(1, wave.shape[1] // (_WINDOW // 4))
    columns = min(_COLUMNS, hops)
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, rate_hz / 2), _BANDS + 1)
    bands = _bands(edges, rate_hz)
    window = np.hanning(_WINDOW).astype(np.float32)
    level = np.empty((_BANDS, columns))
    for column in range(columns):
        starts = np.linspace(column, column + 1, min(_LOOKS, -(-hops // columns)), endpoint=False)
        pieces = [mono[s : s + _WINDOW] for s in (starts / columns * wave.shape[1]).astype(int)]
        power = np.square(np.abs(np.fft.rfft(np.stack(pieces) * window))).mean(axis=0)
        level[:, column] = bands @ power
    return 10 * np.log10(level / np.square(window.sum() / 2) + _SILENCE), edges


def envelope(wave: "np.ndarray", columns: int = _COLUMNS) -> "tuple[np.ndarray, np.ndarray]":
    """(lowest, highest) sample of each column, [channels, columns]."""
    import numpy as np

    columns = min(columns, wave.shape[1])
    starts = np.arange(columns) * wave.shape[1] // columns
    return np.minimum.reduceat(wave, starts, axis=1), np.maximum.reduceat(wave, starts, axis=1)


def _bands(edges: "np.ndarray", rate_hz: int) -> "np.ndarray":
    """Shares [bands, bins]: 1 in the band, falling to 0 within a bin beside it, so that no pitch is lost between."""
    import numpy as np

    width = rate_hz / _WINDOW
    bins = np.arange(_WINDOW // 2 + 1) * width
    outside = np.maximum(edges[:-1, None] - bins, bins - edges[1:, None])
    return np.clip(1 - outside / width, 0, 1)
