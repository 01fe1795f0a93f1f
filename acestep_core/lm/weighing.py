"""How likely a language model finds a given text: what scores are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from acestep_core.errors import UserError


@dataclass(frozen=True)
class Told:
    """Tokens that are told to the model in the place of its own answer to `prompt`."""

    prompt: tuple[int, ...]
    said: tuple[int, ...]


@dataclass(frozen=True)
class Weighed:
    """Of each token of `Told.said`: its log-probability, and its rank among all tokens, from 1."""

    log_probs: tuple[float, ...]
    ranks: tuple[int, ...]


def weigh(lm: Any, texts: Sequence[Told]) -> Sequence[Weighed]:
    """Raises `UserError` for a language model whose backend shows no probabilities of given texts."""
    if not hasattr(lm, "weigh"):
        raise UserError("This backend of the language model cannot say how likely a given text is",
                        "use another, such as --lm-backend pt")  # fmt: skip
    return lm.weigh(texts)
