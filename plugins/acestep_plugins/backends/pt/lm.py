"""The 5 Hz language model: Qwen3 of transformers with a cache, many sequences in one pass."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from acestep_core.checkpoint import read_config
from acestep_core.lm.decoding import Speech, decode
from acestep_core.lm.logits import wanted_logits
from acestep_core.lm.tokenizer import LmTokenizer
from acestep_core.lm.weighing import Told, Weighed
from acestep_plugins.backends.pt.device import Place
from acestep_plugins.backends.pt.folder import check_match, read_tensors
from acestep_plugins.backends.pt.memory import shortage
from acestep_plugins.backends.pt.weighing import weighed

if TYPE_CHECKING:
    import numpy as np


class Lm:
    """Weights in the folder's own names, with or without the prefix `model.`; the head may be the embedding."""

    def __init__(self, folder: Path, place: Place):
        from transformers import Qwen3Config, Qwen3Model

        config = read_config(folder, ("hidden_size", "vocab_size", "max_position_embeddings"))
        self.tokenizer = LmTokenizer(folder)
        self.longest = int(config["max_position_embeddings"])
        tensors = {name.removeprefix("model."): tensor for name, tensor in read_tensors(folder)}
        with torch.device("meta"):
            self.model = Qwen3Model(Qwen3Config(**config)).to(place.dtype)
        head = tensors.pop("lm_head.weight", None)
        check_match(self.model, tensors, str(folder))
        self.model.load_state_dict(tensors, assign=True)
        self.model = _placed(self.model, place)
        embedding = self.model.embed_tokens.weight
        self.head = embedding if head is None else head.to(place.device, place.dtype)
        self.tokenizer.check_fits(len(self.head))

    @property
    def about(self) -> Mapping[str, Any]:
        return {"device": str(self.head.device), "dtype": str(self.head.dtype).removeprefix("torch.")}

    def say(
        self,
        speeches: Sequence[Speech],
        *,
        on_token: Callable[[int, int], None] = lambda index, said: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[list[int]]:
        hint = "think fewer or shorter ones, or a smaller --lm"
        with shortage(f"{len(speeches)} songs in the language model", hint):
            return decode(Rows(self), speeches, longest=self.longest, on_token=on_token, stop=stop)

    def weigh(self, texts: Sequence[Told]) -> list[Weighed]:
        return weighed(self.model, self.head, texts, self.longest)


class Rows:
    """Sequences in one cache, padded on the left; padding is masked, so that no row sees another's length."""

    def __init__(self, lm: Lm):
        from transformers import DynamicCache

        self._lm, self._cache = lm, DynamicCache()
        self._seen = torch.zeros(0, 0, dtype=torch.long, device=lm.head.device)

    @torch.inference_mode()
    def advance(
        self, tokens: Sequence[Sequence[int]], wanted: "Sequence[np.ndarray | None]"
    ) -> "list[np.ndarray | None]":
        if self._seen.shape[1] == 0:
            distinct = list(dict.fromkeys(map(tuple, tokens)))
            hidden = self._read(distinct)
            rows = [distinct.index(tuple(t)) for t in tokens]
            self.keep(rows)
            hidden = hidden[rows]
        else:
            hidden = self._read(tokens)
        return self._scores(hidden, wanted)

    def keep(self, rows: Sequence[int]) -> None:
        index = torch.tensor(rows, device=self._seen.device)
        if len(rows) != len(self._seen) or rows != list(range(len(rows))):
            self._cache.batch_select_indices(index)
            self._seen = self._seen[index]

    def _read(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """The last hidden state [rows, width] after further tokens, which are padded on the left."""
        longest = max(map(len, tokens))
        ids = torch.zeros(len(tokens), longest, dtype=torch.long)
        mask = torch.zeros(len(tokens), longest, dtype=torch.long)
        for i, row in enumerate(tokens):
            ids[i, longest - len(row) :] = torch.tensor(row)
            mask[i, longest - len(row) :] = 1
        ids, mask = ids.to(self._seen.device), mask.to(self._seen.device)
        seen = mask if self._seen.shape[1] == 0 else torch.cat([self._seen, mask], dim=1)
        places = (seen.cumsum(1) - 1).clamp(min=0)[:, -longest:]
        done = self._lm.model(
            input_ids=ids, attention_mask=seen, position_ids=places, past_key_values=self._cache, use_cache=True
        )
        self._seen = seen
        return done.last_hidden_state[:, -1]

    def _scores(self, hidden: torch.Tensor, wanted: "Sequence[np.ndarray | None]") -> "list[np.ndarray | None]":
        device = hidden.device
        return wanted_logits(
            self._lm.head, hidden, wanted,
            index=lambda places: torch.as_tensor(places, device=device),
            numbers=lambda made: (logits.float().cpu().numpy() for logits in made),
        )  # fmt: skip


def _placed(model: Any, place: Place) -> Any:
    """On its device and in its precision. The rotations are in no file: they are made there, and stay float32."""
    rotary = type(model.rotary_emb)(model.config).to(place.device)
    model.rotary_emb = torch.nn.Identity()  # made without memory
    model = model.to(place.device, place.dtype)
    model.rotary_emb = rotary
    return model.requires_grad_(False).eval()
