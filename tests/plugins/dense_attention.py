"""Attention within a window by its definition, and the sizes of a small transformer that has it."""

import torch

SIZES = {
    "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "num_hidden_layers": 3, "in_channels": 192, "audio_acoustic_hidden_dim": 64, "patch_size": 2, "sliding_window": 8,
    "rms_norm_eps": 1e-6, "rope_theta": 1e6,
}  # fmt: skip


def dense(query, key, value, window, valid=None):
    """By the definition: |i - j| <= window, and j is no padding."""
    places = torch.arange(query.shape[2])
    seen = ((places[:, None] - places[None]).abs() <= window)[None, None]
    if valid is not None:
        seen = seen & valid[:, None, None, :]
    repeats = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    scores = (query @ key.transpose(2, 3) / query.shape[3] ** 0.5).masked_fill(~seen, -torch.inf)
    return torch.softmax(scores, -1) @ value
