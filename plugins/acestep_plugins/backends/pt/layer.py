"""A layer of the transformer with less traffic through memory: diffusers' parameters and its arithmetic, to rounding.

Where no gradient is wanted, results overwrite what the layer itself has just made, never what it was given.
"""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.transformers.ace_step_transformer import AceStepTransformerBlock
from torch import nn

from acestep_plugins.backends.pt.norms import normed, overwriting


class Layer(AceStepTransformerBlock):
    """Takes the place of the class of a layer that diffusers built: modules, names and hooks stay."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        temb: torch.Tensor,
        attention_mask: torch.Tensor | None,
        encoder_hidden_states: Any,
        encoder_attention_mask: torch.Tensor | None,
    ) -> torch.Tensor:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = (self.scale_shift_table + temb).chunk(6, dim=1)
        x = hidden_states
        heard = self.self_attn(
            normed(self.self_attn_norm, x, scale, shift),
            image_rotary_emb=position_embeddings,
            attention_mask=attention_mask,
        )
        x = added(x, heard, gate)
        heard = self.cross_attn(
            normed(self.cross_attn_norm, x),
            encoder_hidden_states=encoder_hidden_states,
            attention_mask=encoder_attention_mask,
        )
        x = added(x, heard)
        return added(x, self.mlp(normed(self.mlp_norm, x, mlp_scale, mlp_shift)), mlp_gate)


class Patches(nn.Conv1d):
    """A convolution whose windows do not overlap, as a matrix product: its result, transposed, lies in order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, in, T] -> [B, out, T / stride]"""
        patches = x.transpose(1, 2).unflatten(1, (-1, self.stride[0])).flatten(2)
        return F.linear(patches, self.weight.transpose(1, 2).flatten(1), self.bias).transpose(1, 2)


def added(x: torch.Tensor, change: torch.Tensor, gate: torch.Tensor | None = None) -> torch.Tensor:
    """x + change · gate."""
    if not overwriting() or change.dtype is not x.dtype:
        return (x + change if gate is None else torch.addcmul(x, change, gate)).type_as(x)
    return change.add_(x) if gate is None else torch.addcmul(x, change, gate, out=change)
