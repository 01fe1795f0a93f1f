"""How well the chords of a piece follow one another in a key: a hidden Markov model of chords for each key.

How common chords are is rounded from counts of rock songs (de Clercq and Temperley 2011: I, IV, V, bVII, vi, bVI, ...);
in minor, with its raised seventh, it is a judgement after textbook harmony. A piece mostly begins and ends with its
tonic, and a dominant leads to it.
"""

import numpy as np

MAJOR, MINOR = (0, 4, 7), (0, 3, 7)
CHORDS = tuple((root, shape) for shape in (MAJOR, MINOR) for root in range(12))
# How common chords are in a key, by semitones above the tonic, in percent.
COMMON = {
    "major": {MAJOR: {0: 34, 5: 21, 7: 19, 10: 4, 8: 1.5, 3: 1, 2: 2, 4: 1}, MINOR: {9: 8, 2: 7, 4: 4, 5: 1, 7: 0.5}},
    "minor": {MAJOR: {8: 12, 10: 11, 3: 8, 7: 12, 5: 2, 1: 0.5}, MINOR: {0: 34, 5: 14, 7: 5, 2: 2, 10: 0.3}},
}
RARE = 0.1  # percent, of every other chord
CHANGE_S = 2.0  # a chord lasts about a bar
# (before, after, how many times as often as the latter is common)
LEADS = ((7, 0, 2.5), (5, 0, 1.3), (2, 7, 2.5), (5, 7, 1.5), (10, 0, 1.3), (8, 7, 1.3))
FIRST, LAST = 0.6, 0.7  # of pieces that begin and end with the tonic
MATCH = 4.0  # nats between a chord all of whose notes sound alone and one of which none does
BASS = 0.3  # of this, more where the root is in the bass


def key_chances(chroma: np.ndarray, bass: np.ndarray, segment_s: float) -> np.ndarray:
    """Logarithm of the likelihood of each of 24 keys, C major first, C minor at 12.

    `chroma` and that of the low notes, `bass`, are [segments, 12]; silent segments say nothing.
    """
    fits = MATCH * chord_matches(chroma, bass, BASS)
    return np.concatenate([_chances(fits, mode, segment_s) for mode in ("major", "minor")])


def chord_matches(chroma: np.ndarray, bass: np.ndarray, weight: float) -> np.ndarray:
    """Cosine between chroma and chords [segments, 24], plus `weight` times how alone the root is in the bass."""
    return _unit(chroma) @ _shapes().T + weight * np.tile(_unit(bass), 2)


def _chances(fits: np.ndarray, mode: str, segment_s: float) -> np.ndarray:
    """The forward algorithm for twelve keys at once: their chords are those of C, moved."""
    common, moves, tonic = _usual(mode), _moves(mode, segment_s), 0 if mode == "major" else 12
    first, last = (_towards(common, tonic, share) for share in (FIRST, LAST))
    moved = np.stack([np.roll(fits.reshape(-1, 2, 12), -key, axis=2).reshape(-1, 24) for key in range(12)], axis=1)
    seen = np.exp(moved - fits.max(axis=1)[:, None, None])
    chances, state = np.zeros(12), np.tile(first, (12, 1))
    for i, heard in enumerate(seen):
        state = (state @ moves if i else state) * heard
        norm = state.sum(axis=1, keepdims=True)
        chances, state = chances + np.log(norm[:, 0]), state / norm
    return chances + np.log((state * last / common).sum(axis=1))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _shapes() -> np.ndarray:
    return _unit(np.array([[float((i - root) % 12 in shape) for i in range(12)] for root, shape in CHORDS]))


def _usual(mode: str) -> np.ndarray:
    share = np.array([COMMON[mode][shape].get(root, RARE) for root, shape in CHORDS])
    return share / share.sum()


def _moves(mode: str, segment_s: float) -> np.ndarray:
    """Chance of each chord after each, a segment later."""
    common = _usual(mode)
    to = np.tile(common, (24, 1))
    for before, after, times in LEADS:
        for i, (root, _) in enumerate(CHORDS):
            if root == before:
                to[i, [after, after + 12]] *= times
    np.fill_diagonal(to, 0.0)
    to /= to.sum(axis=1, keepdims=True)
    change = min(0.9, segment_s / CHANGE_S)
    return change * to + (1 - change) * np.eye(24)


def _towards(common: np.ndarray, tonic: int, share: float) -> np.ndarray:
    at = common * (1 - share)
    at[tonic] += share
    return at
