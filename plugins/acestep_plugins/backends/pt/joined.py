"""Several items as one padded batch for the transformer. Nothing is masked where all have the same length."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from acestep_core.parts import Look
from acestep_plugins.backends.pt.attention import Keys
from acestep_plugins.backends.pt.device import Place
from acestep_plugins.backends.pt.transformer import Prepared


class Joined:
    """Makes the transformer's inputs of looks; conditions that come again, step after step, are padded once."""

    def __init__(self, place: Place):
        self._place = place
        self._conditions: tuple[Prepared, ...] = ()
        self._together: tuple[Prepared, torch.Tensor | None] | None = None

    def inputs(self, looks: Sequence[Look]) -> dict[str, Any]:
        """Arguments of `Transformer.forward`."""
        prepared, condition_mask = self._joined(tuple(look.condition for look in looks))
        times = torch.tensor([float(look.t) for look in looks], device=self._place.device)
        lengths = torch.tensor([len(look.x) for look in looks], device=self._place.device)
        return {
            "hidden_states": self._padded([look.x for look in looks]),
            "timestep": times,
            "timestep_r": times,
            "encoder_hidden_states": prepared,
            "context_latents": self._padded([look.context for look in looks]),
            "frames": None if _equal(lengths) else lengths,
            "condition_mask": condition_mask,
        }

    def _padded(self, arrays: Sequence[torch.Tensor]) -> torch.Tensor:
        return pad_sequence([a.to(self._place.device, self._place.dtype) for a in arrays], batch_first=True)

    def _joined(self, conditions: tuple[Prepared, ...]) -> tuple[Prepared, torch.Tensor | None]:
        known = len(conditions) == len(self._conditions)
        if not known or any(a is not b for a, b in zip(conditions, self._conditions, strict=True)):
            self._conditions, self._together = conditions, _together(conditions)
        return self._together


def _together(conditions: Sequence[Prepared]) -> tuple[Prepared, torch.Tensor | None]:
    """(all in one, which places are no padding: bool [B, L], None if all)"""
    lengths = torch.tensor([c.keys[0].key.shape[2] for c in conditions])
    longest = int(lengths.max())
    layers = [
        Keys(*(torch.cat([_longer(getattr(k, what), longest) for k in of_layer]) for what in ("key", "value")))
        for of_layer in zip(*(c.keys for c in conditions), strict=True)
    ]
    places = torch.arange(longest) < lengths[:, None]
    device = conditions[0].keys[0].key.device
    return Prepared(tuple(layers)), None if _equal(lengths) else places.to(device)


def _longer(array: torch.Tensor, length: int) -> torch.Tensor:
    """[1, heads, L, size] -> [1, heads, length, size]"""
    return F.pad(array, (0, 0, 0, length - array.shape[2]))


def _equal(lengths: torch.Tensor) -> bool:
    return bool((lengths == lengths[0]).all())
