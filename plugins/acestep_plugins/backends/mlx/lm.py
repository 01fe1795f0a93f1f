"""The 5 Hz language model: Qwen3 of mlx-lm with a cache, many sequences in one pass."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlx.core as mx
from mlx.utils import tree_flatten

from acestep_core import UserError
from acestep_core.checkpoint import check_tensors, read_config, weight_files
from acestep_core.lm.decoding import Speech, decode
from acestep_core.lm.logits import wanted_logits
from acestep_core.lm.tokenizer import LmTokenizer
from acestep_plugins.backends.mlx.device import Place

if TYPE_CHECKING:
    import numpy as np

_AT_ONCE = 2048  # tokens of a prompt in one pass: the attention of a long one would not fit


class Lm:
    """Weights in the folder's own names, with or without the prefix `model.`; the head may be the embedding."""

    def __init__(self, folder: Path, place: Place):
        from mlx_lm.models.qwen3 import ModelArgs, Qwen3Model

        config = read_config(folder, ("hidden_size", "vocab_size", "max_position_embeddings", "head_dim"))
        self.tokenizer = LmTokenizer(folder)
        self.longest = int(config["max_position_embeddings"])
        self.place = place
        with mx.stream(place.stream):
            tensors = {n: t.astype(place.type) for n, t in _read(folder)}
            head = tensors.pop("lm_head.weight", None)
            self.model = Qwen3Model(ModelArgs.from_dict(config))
            expected = {name: tensor.shape for name, tensor in tree_flatten(self.model.parameters())}
            check_tensors(expected, {name: tensor.shape for name, tensor in tensors.items()}, str(folder))
            self.model.load_weights(list(tensors.items()))
            self.model.eval()
            self.head = self.model.embed_tokens.weight if head is None else head
            mx.eval(self.model.parameters(), self.head)
        self.tokenizer.check_fits(len(self.head))

    @property
    def about(self) -> Mapping[str, Any]:
        return {"device": self.place.device, "dtype": self.place.dtype}

    def say(
        self,
        speeches: Sequence[Speech],
        *,
        on_token: Callable[[int, int], None] = lambda index, said: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[list[int]]:
        with mx.stream(self.place.stream):
            return decode(Rows(self), speeches, longest=self.longest, on_token=on_token, stop=stop)


class Rows:
    """Sequences in one cache. Prompts are read one by one, equal ones once, so that none is padded."""

    def __init__(self, lm: Lm):
        self._lm, self._cache = lm, None

    def advance(
        self, tokens: Sequence[Sequence[int]], wanted: "Sequence[np.ndarray | None]"
    ) -> "list[np.ndarray | None]":
        if self._cache is None:
            hidden = self._begin(tokens)
        else:
            hidden = self._lm.model(mx.array([list(row) for row in tokens]), cache=self._cache)[:, -1]
        return self._scores(hidden, wanted)

    def keep(self, rows: Sequence[int]) -> None:
        index = mx.array(list(rows))
        for layer in self._cache:
            layer.filter(index)

    def _begin(self, prompts: Sequence[Sequence[int]]) -> mx.array:
        """The last hidden state [rows, width] of each prompt; their caches become one, padded on the left."""
        from mlx_lm.models.cache import BatchKVCache

        read = {prompt: self._read(prompt) for prompt in dict.fromkeys(map(tuple, prompts))}
        rows = [read[tuple(prompt)] for prompt in prompts]
        self._cache = [BatchKVCache.merge(list(layer)) for layer in zip(*(cache for _, cache in rows), strict=True)]
        return mx.concatenate([hidden for hidden, _ in rows])

    def _read(self, prompt: Sequence[int]) -> tuple[mx.array, list[Any]]:
        from mlx_lm.models.cache import KVCache

        cache = [KVCache() for _ in self._lm.model.layers]
        for start in range(0, len(prompt), _AT_ONCE):
            hidden = self._lm.model(mx.array([prompt[start : start + _AT_ONCE]]), cache=cache)[:, -1]
            mx.eval(hidden, [layer.state for layer in cache])
        return hidden, cache

    def _scores(self, hidden: mx.array, wanted: "Sequence[np.ndarray | None]") -> "list[np.ndarray | None]":
        return wanted_logits(self._lm.head, hidden, wanted, index=mx.array, numbers=_numbers)


def _numbers(made: Iterator[mx.array]) -> "list[np.ndarray]":
    """Computed in one go: MLX does nothing before it is asked."""
    import numpy as np

    logits = [one.astype(mx.float32) for one in made]
    mx.eval(logits)
    return [np.array(one) for one in logits]


def _read(folder: Path) -> Any:
    """(name without the prefix, tensor) of all weights."""
    for path in weight_files(folder):
        try:
            tensors = mx.load(str(path))
        except (RuntimeError, ValueError) as e:
            raise UserError(f"{path} is damaged ({e})", "download it again") from e
        yield from ((name.removeprefix("model."), tensor) for name, tensor in tensors.items())
