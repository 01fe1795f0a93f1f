"""The diffusion transformer: diffusers' weights and layers, with attention of our own and a condition prepared once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AceStepTransformer1DModel
from diffusers.models.embeddings import get_1d_rotary_pos_embed

from acestep_plugins.backends.pt.attention import CrossAttention, Keys, SelfAttention, Within, keys_of
from acestep_plugins.backends.pt.layer import Layer, Patches
from acestep_plugins.backends.pt.mlp import Mlp
from acestep_plugins.backends.pt.norms import normed


@dataclass(frozen=True)
class Prepared:
    """A condition as every layer's cross-attention wants it: valid while neither weights nor adapters change."""

    keys: tuple[Keys, ...]


class Transformer(AceStepTransformer1DModel):
    """`forward` computes what diffusers' does, to rounding; batches may be padded."""

    def use_own_layers(self, within: Within | None = None) -> None:
        """`within` is what sliding layers attend by; local blocks unless given."""
        self.proj_in_conv.__class__ = Patches
        for layer in self.layers:
            layer.__class__, layer.mlp.__class__ = Layer, Mlp
            layer.self_attn.set_processor(SelfAttention(within))
            layer.cross_attn.set_processor(CrossAttention())

    def prepare(self, condition: torch.Tensor) -> Prepared:
        """Of condition states [B, L, condition width]."""
        states = self.condition_embedder(condition)
        return Prepared(tuple(keys_of(layer.cross_attn, states) for layer in self.layers))

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        timestep_r: torch.Tensor,
        encoder_hidden_states: torch.Tensor | Prepared,
        context_latents: torch.Tensor,
        frames: torch.Tensor | None = None,
        condition_mask: torch.Tensor | None = None,
        return_dict: bool = False,
    ) -> tuple[torch.Tensor]:
        """(velocity [B, T, 64],) of x [B, T, 64], t and r [B], a condition [B, L, width] and a context [B, T, 128].

        Of a padded batch, `frames` [B] are the true lengths and `condition_mask` bool [B, L] says what is no padding;
        then no item depends on the others.
        """
        shifts, tokens, given = self.begun(hidden_states, timestep, timestep_r, context_latents, frames)
        conditions = self.conditions(encoder_hidden_states)
        for layer, condition in zip(self.layers, conditions, strict=True):
            all_given = (tokens, *given, condition, condition_mask)
            checkpointed = torch.is_grad_enabled() and self.gradient_checkpointing
            tokens = self._gradient_checkpointing_func(layer, *all_given) if checkpointed else layer(*all_given)
        shift, scale = (self.scale_shift_table + shifts.unsqueeze(1)).chunk(2, dim=1)
        velocity = self._unpatched(normed(self.norm_out, tokens, scale, shift).type_as(tokens))
        return (velocity[:, : hidden_states.shape[1]],)

    def begun(
        self,
        x: torch.Tensor,
        t: torch.Tensor,
        r: torch.Tensor,
        context: torch.Tensor,
        frames: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[Any, ...]]:
        """(modulation of the output, tokens before the first layer, what each layer is given behind them)"""
        shifts, modulation = self._times(t, r)
        tokens = self._patched(torch.cat([context, x], dim=-1), frames)
        valid = None if frames is None else _valid(-(-frames // self.patch_size), tokens.shape[1])
        places = rotary(tokens.shape[1], self.head_dim, self.rope_theta, tokens.device, tokens.dtype)
        return shifts, tokens, (places, modulation, valid)

    def conditions(self, given: torch.Tensor | Prepared) -> Sequence[torch.Tensor | Keys]:
        """What each layer's cross-attention hears."""
        if isinstance(given, Prepared):
            return given.keys
        return [self.condition_embedder(given)] * len(self.layers)

    def _times(self, t: torch.Tensor, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        (embedded, projected), (embedded_r, projected_r) = self.time_embed(t), self.time_embed_r(t - r)
        return embedded + embedded_r, projected + projected_r

    def _patched(self, channels: torch.Tensor, frames: torch.Tensor | None) -> torch.Tensor:
        """[B, T, in channels] -> tokens; the odd frame at the end, and what is padding, is zeros."""
        if frames is not None:
            channels = channels * _valid(frames, channels.shape[1])[..., None]
        channels = F.pad(channels, (0, 0, 0, -channels.shape[1] % self.patch_size))
        return self.proj_in_conv(channels.transpose(1, 2)).transpose(1, 2)

    def _unpatched(self, tokens: torch.Tensor) -> torch.Tensor:
        """[B, L, width] -> [B, L * patch size, 64]"""
        patches = F.linear(tokens, self.proj_out_conv.weight.permute(2, 1, 0).flatten(0, 1))
        return patches.unflatten(2, (self.patch_size, -1)).flatten(1, 2) + self.proj_out_conv.bias


def _valid(lengths: torch.Tensor, longest: int) -> torch.Tensor:
    """bool [B, longest]"""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


@lru_cache(maxsize=8)
def rotary(
    length: int, size: int, theta: float, device: torch.device, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """(cos, sin) [length, head size] of Qwen3's rotary layout: halves, not pairs."""
    with torch.inference_mode(False):  # what is kept must serve training too
        positions = torch.arange(length, device=device, dtype=torch.float32)
        cos, sin = get_1d_rotary_pos_embed(size, positions, theta=theta, use_real=True, repeat_interleave_real=False)
        return cos.to(dtype), sin.to(dtype)
