"""Where the chord changes: the posterior of a hidden Markov model of chords (Bello and Pickens 2005).

Notes of the melody that are in no chord move the chroma, but seldom the likeliest chord.
"""

import numpy as np
from scipy.ndimage import uniform_filter1d

from acestep_plugins.annotators.chords import BASS, CHANGE_S, chord_matches

MATCH_PER_S = 24.0  # nats a second between a chord all of whose notes sound alone and one of which none does
SPREAD_S = 0.3  # over which the chance of one change is spread


def chord_changes(chroma: np.ndarray, bass: np.ndarray, rate_hz: float) -> np.ndarray:
    """Chance of a change near each frame, from 0 to 1. `chroma`, and `bass` of the low notes, are [frames, 12]."""
    if len(chroma) < 2:
        return np.zeros(len(chroma))
    fits = MATCH_PER_S / rate_hz * chord_matches(chroma, bass, BASS)
    change = _posterior(np.exp(fits - fits.max(axis=1, keepdims=True)), min(0.5, 1 / (rate_hz * CHANGE_S)))
    frames = max(1, round(SPREAD_S * rate_hz))
    return np.minimum(uniform_filter1d(change, frames) * frames, 1.0)


def _posterior(seen: np.ndarray, change: float) -> np.ndarray:
    """Chance that the state of each row is not that of the row before; all changes are as likely."""
    other = change / (seen.shape[1] - 1)
    stay = 1 - change - other
    forward, backward = np.empty_like(seen), np.ones_like(seen)
    forward[0] = seen[0] / seen[0].sum()
    for i in range(1, len(seen)):
        state = (stay * forward[i - 1] + other) * seen[i]
        forward[i] = state / state.sum()
    for i in range(len(seen) - 2, -1, -1):
        ahead = seen[i + 1] * backward[i + 1]
        state = stay * ahead + other * ahead.sum()
        backward[i] = state / state.sum()
    ahead = seen[1:] * backward[1:]
    same = (forward[:-1] * ahead).sum(axis=1)
    return np.concatenate([[0.0], 1 - (1 - change) * same / (stay * same + other * ahead.sum(axis=1))])
