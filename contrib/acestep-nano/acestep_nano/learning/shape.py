"""The sizes of acestep-nano, as config.json of an original checkpoint says them."""

from typing import Any

from acestep_core.parts import CHANNELS

TEXT_WIDTH = 96
SILENCE_FRAMES = 500  # as long as the longest piece

DIT: dict[str, Any] = {
    "model_type": "acestep",
    "architectures": ["AceStepConditionGenerationModel"],
    "hidden_size": 144,
    "intermediate_size": 272,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 24,
    "num_lyric_encoder_hidden_layers": 1,
    "num_timbre_encoder_hidden_layers": 1,
    "num_attention_pooler_hidden_layers": 1,
    "num_audio_decoder_hidden_layers": 1,
    "text_hidden_dim": TEXT_WIDTH,
    "timbre_hidden_dim": CHANNELS,
    "audio_acoustic_hidden_dim": CHANNELS,
    "in_channels": 3 * CHANNELS,
    "patch_size": 1,  # two frames would bring 128 numbers of noise through a width of 144, and notes come out in pieces
    "pool_window_size": 5,
    "timbre_fix_frame": 64,
    "fsq_dim": 144,
    "fsq_input_levels": [8, 8, 8, 5, 5, 5],
    "fsq_input_num_quantizers": 1,
    "sliding_window": 128,
    "use_sliding_window": True,
    "layer_types": ["sliding_attention", "full_attention"] * 3,
    "rope_theta": 1000,  # its waves are as long as pieces are; those of the original are far longer
    "rms_norm_eps": 1e-6,
    "attention_bias": False,
    "max_position_embeddings": 32768,
    "vocab_size": 64003,
    "timestep_mu": -0.4,
    "timestep_sigma": 1.0,
    "data_proportion": 0.5,
}


ABOUT = "acestep-nano, a teaching and test model: taught by pieces that a program composed, not a small ACE-Step"
DEFAULTS: dict[str, dict[str, Any]] = {
    "turbo": {"default_steps": 8, "default_shift": 3.0},
    "base": {"default_steps": 24, "default_shift": 3.0, "default_guidance": 2.5},
}


def dit_config(variant: str) -> dict[str, Any]:
    """Of 'base' or 'turbo'."""
    named = {"is_turbo": variant == "turbo", "model_version": f"nano-{variant}", "about": ABOUT}
    return DIT | named | DEFAULTS[variant]


def text_config(vocabulary: int) -> dict[str, Any]:
    """Of the text encoder, a Qwen3."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 2 * TEXT_WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 24,
        "max_position_embeddings": 32768,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "architectures": ["Qwen3Model"],
    }
