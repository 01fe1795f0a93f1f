"""What a server's logits processor decides of one sequence. Knows neither vLLM nor torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.lm.choosing import choose
from acestep_core.lm.reading import Allowed, Reader, State
from acestep_core.lm.speaking import reader
from acestep_core.lm.tokenizer import LmTokenizer
from acestep_core.lm.vocabulary import Vocabulary
from acestep_plugins.backends.vllm.wire import Order

if TYPE_CHECKING:
    import numpy as np


class Speaker:
    """Where a sequence is follows from its tokens alone, so that it may be put off, moved and begun again."""

    def __init__(self, order: Order, vocabulary: Vocabulary):
        self._order = order
        self._reader: Reader = reader(order.grammar, vocabulary)
        self._said: list[int] = []
        self._state: State = self._reader.start()

    def allowed(self, said: Sequence[int]) -> Allowed | None:
        """What may come after these tokens; None where all is said, or where they did not keep to the grammar."""
        try:
            self._follow(list(said))
        except ValueError:
            return None
        return None if self._reader.done(self._state) else self._reader.allowed(self._state)

    def choose(self, scores: "np.ndarray", allowed: Allowed) -> int:
        """The token that every backend draws from such scores at this place."""
        order = self._order
        return choose(scores, allowed.ids, self._said, order.settings, order.seed, surest=allowed.surest)

    def _follow(self, said: list[int]) -> None:
        if said[: len(self._said)] != self._said:
            self._said, self._state = [], self._reader.start()
        for token in said[len(self._said) :]:
            if token < 0:  # vLLM's mark for one that has not come back from the device
                raise ValueError("a token is not known yet")
            self._state = self._reader.after(self._state, token)
            self._said.append(token)


def vocabulary_of_server(config: Any) -> Vocabulary:
    """That of the tokenizer which a server's configuration names. Raises `UserError` unless it is a folder's."""
    return LmTokenizer(Path(config.model_config.tokenizer)).vocabulary
