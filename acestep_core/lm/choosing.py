"""Draws a token out of the scores of those that may come. The same numbers draw the same token on every backend."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from acestep_core.lm.requests import LmSettings

if TYPE_CHECKING:
    import numpy as np


def guided(conditional: "np.ndarray", unconditional: "np.ndarray", scale: float) -> "np.ndarray":
    """Classifier-free guidance on logits: u + scale (c - u)."""
    return unconditional + scale * (conditional - unconditional)


def choose(
    scores: "np.ndarray",
    ids: "np.ndarray",
    said: Sequence[int],
    settings: LmSettings,
    seed: int,
    *,
    surest: bool = False,
) -> int:
    """One of `ids` [N] with `scores` [N], which are logits; `said` are the tokens so far.

    Penalty, top-k and top-p come before the temperature, as in the reference. A tie is the smaller id's. The draw is a
    function of `seed` and of how much was said, so that nothing else need be kept to go on.
    """
    import numpy as np

    scores = _penalised(scores.astype(np.float64), ids, said, settings.repetition_penalty)
    if surest or settings.temperature == 0 or len(ids) == 1:
        return int(ids[np.argmax(scores)])
    kept = _likeliest(scores, settings)
    drawn = np.random.Generator(np.random.Philox(key=seed, counter=len(said))).random()
    shares = np.cumsum(_softmax(scores[kept] / settings.temperature))
    return int(ids[kept[min(int(np.searchsorted(shares, drawn, side="right")), len(kept) - 1)]])


def _likeliest(scores: "np.ndarray", settings: LmSettings) -> "np.ndarray":
    """Places of the `top_k` likeliest, and of them the fewest that have the share `top_p`; the likeliest first."""
    import numpy as np

    kept = np.arange(len(scores))
    if 0 < settings.top_k < len(scores):
        least = np.partition(scores, -settings.top_k)[-settings.top_k]
        kept = np.flatnonzero(scores >= least)
        kept = kept[np.argsort(-scores[kept], kind="stable")][: settings.top_k]
    shares = _softmax(scores[kept])
    if settings.top_p < 1:
        # together those below have less than 1 - top_p, so that none of them is needed
        some = shares > (1 - settings.top_p) / (2 * len(shares))
        kept, shares = kept[some], shares[some]
    order = np.argsort(-shares, kind="stable")
    enough = int(np.searchsorted(np.cumsum(shares[order]), settings.top_p)) + 1
    return kept[order[:enough]]


def _penalised(scores: "np.ndarray", ids: "np.ndarray", said: Sequence[int], penalty: float) -> "np.ndarray":
    import numpy as np

    if penalty == 1 or not said:
        return scores
    again = np.isin(ids, np.unique(np.asarray(said)))
    return np.where(again, np.where(scores > 0, scores / penalty, scores * penalty), scores)


def _softmax(scores: "np.ndarray") -> "np.ndarray":
    import numpy as np

    shares = np.exp(scores - scores.max())
    return shares / shares.sum()
