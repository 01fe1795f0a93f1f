"""Log-probabilities and ranks of given tokens, with never more than a few rows of a large vocabulary at once."""

from collections.abc import Sequence
from typing import Any

import torch

from acestep_core import UserError
from acestep_core.lm.weighing import Told, Weighed

_ROWS = 64  # of 217,000 logits in float32: 56 MB


@torch.inference_mode()
def weighed(model: Any, head: torch.Tensor, texts: Sequence[Told], longest: int) -> list[Weighed]:
    """Each prompt is read once, however many texts follow it."""
    too_long = max((len(t.prompt) + len(t.said) for t in texts), default=0)
    if too_long > longest:
        hint = "score a shorter clip or shorter lyrics"
        raise UserError(f"The language model reads {longest} tokens, and this takes {too_long}", hint)
    found: dict[Told, Weighed] = {}
    for prompt in dict.fromkeys(t.prompt for t in texts):
        found |= _after(model, head, prompt, [t for t in dict.fromkeys(texts) if t.prompt == prompt])
    return [found[t] for t in texts]


def _after(model: Any, head: torch.Tensor, prompt: Sequence[int], texts: Sequence[Told]) -> dict[Told, Weighed]:
    from transformers import DynamicCache

    cache = DynamicCache()
    last = _read(model, prompt, cache, head.device)[-1:]
    found = {}
    for told in texts:
        read = told.said[:-1]
        hidden = torch.cat([last, _read(model, read, cache, head.device)]) if read else last
        found[told] = _weighed(hidden, head, told.said)
        if read:
            cache.crop(-len(read))
    return found


def _read(model: Any, tokens: Sequence[int], cache: Any, device: torch.device) -> torch.Tensor:
    """Hidden states [tokens, width]."""
    ids = torch.tensor([list(tokens)], device=device)
    return model(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state[0]


def _weighed(hidden: torch.Tensor, head: torch.Tensor, said: Sequence[int]) -> Weighed:
    log_probs, ranks = [], []
    for start in range(0, len(said), _ROWS):
        logits = (hidden[start : start + _ROWS] @ head.T).float()
        wanted = logits.gather(1, torch.tensor(said[start : start + _ROWS], device=head.device)[:, None])
        log_probs += (wanted[:, 0] - logits.logsumexp(1)).tolist()
        ranks += (1 + (logits > wanted).sum(1)).tolist()
    return Weighed(tuple(log_probs), tuple(ranks))
