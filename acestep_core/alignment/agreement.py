"""How well a clip follows its lyrics, as the model's own attention has it.

The score says whether every word is looked for somewhere, in order, and how sharply. It does not say that the words
can be understood, nor that the music is good; repeats and words drawn long lower it though nothing is wrong. Source:
dit_score.py of ACE-Step 1.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acestep_core.alignment.dtw import cheapest_path
from acestep_core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_COVERED, _COUNTED, _BACK = 0.1, 0.01, 9  # least energy of a word that is there, of a place that counts; frames


@dataclass(frozen=True)
class Agreement:
    """Shares from 0 to 1; `score` is coverage² · monotonicity² · confidence.

    coverage: of the words that are looked at somewhere; monotonicity: of neighbours in order; confidence: mean
    attention on the best path.
    """

    coverage: float
    monotonicity: float
    confidence: float
    score: float


def agreement(weights: "np.ndarray", sung: Sequence[int]) -> Agreement:
    """Of attention weights [heads, tokens, frames]; the tokens outside `sung`, such as section tags, do not count."""
    import numpy as np

    mean = weights.mean(axis=0, dtype=np.float64)
    if not sung or np.ptp(mean) == 0:
        raise UserError("There are no words in the attention to score", "give a clip whose lyrics are sung")
    energy = (mean - mean.min()) / np.ptp(mean)
    rows, frames = cheapest_path(-(energy**2))
    words = energy[list(sung)]
    coverage = float((words.max(axis=1) > _COVERED).mean())
    monotonicity = _in_order(words)
    confidence = float(energy[rows, frames].mean())
    score = min(1.0, max(0.0, coverage**2 * monotonicity**2 * confidence))
    return Agreement(*(round(v, 4) for v in (coverage, monotonicity, confidence, score)))


def _in_order(words: "np.ndarray") -> float:
    """Share of the neighbours of which the second is not more than a little before the first; 1 of a single word."""
    import numpy as np

    counted = np.where(words > _COUNTED, words, 0)
    total = counted.sum(axis=1)
    there = total > 0
    places = (counted[there] * np.arange(words.shape[1])).sum(axis=1) / total[there]
    return float((np.diff(places) >= -_BACK).mean()) if len(places) > 1 else 1.0
