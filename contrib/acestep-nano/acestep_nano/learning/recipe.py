"""How much of everything goes into a model. The defaults make the one that is shipped."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a model depends on, beside the versions of the packages."""

    seed: int = 1
    pieces: int = 4000
    held_out: int = 32
    """Pieces whose loss is measured and not learnt from."""
    with_stems: float = 0.25
    """Share of the pieces whose parts are heard alone too."""
    vocabulary: int = 1100
    """Tokens of the text encoder."""
    word_steps: int = 1500
    beat_steps: int = 1000
    code_steps: int = 2000
    steps: int = 7500
    turbo_steps: int = 400
    batch_size: int = 16
    learning_rate: float = 1.2e-3
    turbo_learning_rate: float = 2e-4
    shift: float = 3.0
    """How much of the base model's time goes to nearly pure noise. There alone key and tempo are still open, which a
    sampler made for records hardly ever visits: 1 % of its draws are above 0.9."""
    beat_share: float = 0.1875
    """Of the base model's steps, how much rehearses the pulse."""
    average: float = 0.9995
    guidance: float = 2.5
    """What the few-step model learns to do without."""
    substeps: int = 2
    """Steps of the base model between two of the few-step model."""

    def described(self) -> dict[str, Any]:
        return asdict(self)


SMALL = Recipe(
    pieces=10, held_out=2, with_stems=0.5, vocabulary=400, word_steps=3, beat_steps=3, code_steps=4, steps=4,
    turbo_steps=2, batch_size=4, average=0.9,
)  # fmt: skip
"""For trying whether it runs: what comes of it can do nothing."""
