"""Where some heads of the transformer look in the condition: their weights alone, and no layer behind the last."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from acestep_plugins.backends.pt.attention import Keys, keys_of
from acestep_plugins.backends.pt.norms import normed
from acestep_plugins.backends.pt.transformer import Prepared, Transformer


def cross_attention(
    transformer: Transformer,
    begun: Sequence[torch.Tensor],
    condition: torch.Tensor | Prepared,
    heads: Mapping[int, Sequence[int]],
    tokens: int,
) -> np.ndarray:
    """Weights float32 [heads, tokens, patches]: how each patch shares its look among the first `tokens` and the rest.

    `begun` are x, t, r and context as `Transformer.begun` takes them, of one item.
    """
    _, x, given = transformer.begun(*begun)
    found: dict[int, list[np.ndarray]] = {}
    with_keys = list(zip(transformer.layers, transformer.conditions(condition), strict=True))
    for i, (layer, heard) in enumerate(with_keys[: max(heads) + 1]):

        def note(attn: Any, args: Any, kwargs: Any, i: int = i) -> None:
            found[i] = _weights(attn, args[0], kwargs["encoder_hidden_states"], heads[i], tokens)

        hook = layer.cross_attn.register_forward_pre_hook(note, with_kwargs=True) if i in heads else None
        try:
            x = layer.forward(x, *given, heard, None)  # compiled code would not notice the hook
        finally:
            if hook is not None:
                hook.remove()
    return np.stack([weights for i in sorted(heads) for weights in found[i]])


def _weights(attn: Any, x: torch.Tensor, heard: Any, heads: Sequence[int], tokens: int) -> list[np.ndarray]:
    """[tokens, patches] of each head; one at a time, since a long song's are large."""
    query = normed(attn.norm_q, attn.to_q(x).unflatten(-1, (attn.heads, attn.head_dim)))[0]
    key = (heard if isinstance(heard, Keys) else keys_of(attn, heard)).key[0]
    found = []
    for head in heads:
        scores = query[:, head].float() @ key[head * len(key) // attn.heads].float().T
        found.append((scores / attn.head_dim**0.5).softmax(-1)[:, :tokens].T.cpu().numpy())
    return found
