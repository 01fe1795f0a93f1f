"""Which style a wave is in and whether it has drums, by what composed pieces sound like.

Nothing is stored: both judges learn from seeded pieces at first use, which takes seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.optimize import minimize

from acestep_nano.composing import compose
from acestep_nano.features import WINDOW, drum_features, magnitudes, style_features
from acestep_nano.pieces import STYLES, Piece
from acestep_nano.rendering import render

FIRST_SEED, PIECES = 5_000_000, 240  # far from the seeds anybody trains on
PENALTY = 0.02  # of squared weights; keeps the judges from relying on a single number
# What a codec or a model may do to the sound, and a judge is not to mind: noise where nothing was, another loudness of
# each octave and of every bin (in nepers), onsets smeared over so many frames of 20 ms.
HISS, COLOUR, UNEVEN, SMEARED = 0.002, 0.5, 0.25, 5
OCTAVES = 9
Through = Callable[[np.ndarray], np.ndarray]
"""A wave [2, S] to the same as a codec brings it back."""


@dataclass(frozen=True)
class Judge:
    """A multinomial logistic regression of standardised features."""

    classes: tuple[str, ...]
    mean: np.ndarray
    spread: np.ndarray
    weights: np.ndarray

    def shares(self, features: np.ndarray) -> np.ndarray:
        """The probability of each class."""
        score = np.append((features - self.mean) / self.spread, 1.0) @ self.weights
        chances = np.exp(score - score.max())
        return chances / chances.sum()

    def answer(self, features: np.ndarray) -> str:
        return self.classes[int(self.shares(features).argmax())]


def style_of(wave: np.ndarray, through: Through | None = None) -> str:
    """The style of `pieces.STYLES` that a wave [2, S] or [S] at 48 kHz sounds like most."""
    return judges(through)[0].answer(style_features(magnitudes(wave)))


def style_shares(wave: np.ndarray, through: Through | None = None) -> dict[str, float]:
    """How much a wave sounds like each style; the shares add up to 1."""
    judge = judges(through)[0]
    return dict(zip(judge.classes, map(float, judge.shares(style_features(magnitudes(wave)))), strict=True))


def has_drums(wave: np.ndarray, through: Through | None = None) -> bool:
    """Whether a wave [2, S] or [S] at 48 kHz has drums."""
    return judges(through)[1].answer(drum_features(magnitudes(wave))) == "drums"


@lru_cache
def judges(through: Through | None = None, pieces: int = PIECES) -> tuple[Judge, Judge]:
    """(of styles, of drums), taught with as many pieces; `through` a codec, where that is how waves are heard later."""
    made = [compose(seed) for seed in range(FIRST_SEED, FIRST_SEED + pieces)]
    heard = [_heard(piece, through) for piece in made]
    styles, drums = (np.concatenate(rows) for rows in zip(*heard, strict=True))
    having = [name for piece in made for name in 2 * ["drums" if piece.drums else "no drums"]]
    names = [piece.style for piece in made for _ in range(2)]
    return taught(styles, names, STYLES), taught(drums, having, ("drums", "no drums"))


def _heard(piece: Piece, through: Through | None) -> tuple[np.ndarray, np.ndarray]:
    """Features of style and of drums, each [2, k]: of the piece as it is and changed."""
    wave = render(piece)
    spectrum = magnitudes(through(wave) if through else wave)
    both = (spectrum, _changed(spectrum, np.random.default_rng(piece.seed)))
    return np.stack([style_features(s) for s in both]), np.stack([drum_features(s) for s in both])


def _changed(spectrum: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same music from worse instruments."""
    bins = spectrum.shape[1]
    octave = np.log2(np.arange(bins) + 1.0) * OCTAVES / np.log2(bins)
    colour = np.interp(octave, np.arange(OCTAVES + 1), rng.normal(0, COLOUR, OCTAVES + 1)).astype(np.float32)
    smeared = uniform_filter1d(spectrum, int(rng.integers(1, SMEARED + 1)), axis=0)
    hiss, uneven = rng.uniform(0, HISS) * np.sqrt(2 / WINDOW), rng.uniform(0, UNEVEN)
    noise = np.float32(hiss) * rng.standard_exponential(spectrum.shape, np.float32)
    return smeared * np.exp(colour + np.float32(uneven) * rng.standard_normal(spectrum.shape, np.float32)) + noise


def taught(features: np.ndarray, names: list[str], classes: tuple[str, ...]) -> Judge:
    """A judge of rows of features [n, k] and their classes."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    rows = np.hstack([(features - mean) / spread, np.ones((len(features), 1))])
    right = np.array([[name == each for each in classes] for name in names], float)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(rows.shape[1], len(classes))
        score = rows @ weights
        score -= score.max(axis=1, keepdims=True)
        logs = score - np.log(np.exp(score).sum(axis=1, keepdims=True))
        slope = rows.T @ (np.exp(logs) - right) / len(rows) + PENALTY * weights
        return float(-(logs * right).sum() / len(rows) + PENALTY / 2 * (weights**2).sum()), slope.ravel()

    found = minimize(loss, np.zeros(rows.shape[1] * len(classes)), jac=True, method="L-BFGS-B")
    return Judge(classes, mean, spread, found.x.reshape(rows.shape[1], len(classes)))
