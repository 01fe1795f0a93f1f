"""Builds diffusers' ACE-Step modules from an original config.json; the weights are somebody else's business."""

from collections.abc import Mapping
from typing import Any

from torch import nn

_ATTENTION = ("head_dim", "rope_theta", "attention_bias", "rms_norm_eps", "sliding_window")
_SIZES = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")


def build_decoder(config: Mapping[str, Any]) -> nn.Module:
    """The diffusion transformer. In XL its conditions are narrower than itself."""
    from acestep_plugins.backends.pt.transformer import Transformer

    names = (*_SIZES, *_ATTENTION, "num_hidden_layers", "in_channels", "audio_acoustic_hidden_dim", "patch_size")
    width = _encoder_sizes(config)["hidden_size"]
    decoder = Transformer(**_picked(config, names), layer_types=_layer_types(config), encoder_hidden_size=width)
    decoder.use_own_layers()
    return decoder


def build_encoder(config: Mapping[str, Any]) -> nn.Module:
    """The condition encoder, without the null condition and the silence latent, which lie beside it."""
    from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder

    names = ("text_hidden_dim", "timbre_hidden_dim", "num_lyric_encoder_hidden_layers",
             "num_timbre_encoder_hidden_layers")  # fmt: skip
    encoder = AceStepConditionEncoder(**_encoder_sizes(config), **_picked(config, (*_ATTENTION, *names)))
    del encoder.null_condition_emb, encoder.silence_latent
    return encoder


def build_tokenizer(config: Mapping[str, Any]) -> nn.Module:
    """Latents [B, T, 64] to 5 Hz codes. Not on meta: its level tables are computed, not stored."""
    from diffusers.pipelines.ace_step.modeling_ace_step import AceStepAudioTokenizer

    names = ("fsq_dim", "fsq_input_levels", "fsq_input_num_quantizers")
    return AceStepAudioTokenizer(**_encoder_sizes(config), **_picked(config, (*_ATTENTION, *_POOLING, *names)))


def build_detokenizer(config: Mapping[str, Any]) -> nn.Module:
    """5 Hz codes back to latents [B, T, 64]."""
    from diffusers.pipelines.ace_step.modeling_ace_step import AceStepAudioTokenDetokenizer

    return AceStepAudioTokenDetokenizer(**_encoder_sizes(config), **_picked(config, (*_ATTENTION, *_POOLING)))


def build_modules(config: Mapping[str, Any]) -> dict[str, nn.Module]:
    """All of them by the prefix of their tensors in the checkpoint."""
    return {
        "decoder": build_decoder(config),
        "encoder": build_encoder(config),
        "tokenizer": build_tokenizer(config),
        "detokenizer": build_detokenizer(config),
    }


_POOLING = ("pool_window_size", "num_attention_pooler_hidden_layers", "audio_acoustic_hidden_dim")


def _picked(config: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {n: config[n] for n in names if n in config}


def _encoder_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """XL has separate encoder_* sizes for everything but the decoder; 2B has one size for all."""
    return {n: config.get(f"encoder_{n}") or config[n] for n in _SIZES}


def _layer_types(config: Mapping[str, Any]) -> list[str]:
    layers = config["num_hidden_layers"]
    if not config.get("use_sliding_window", True):
        return ["full_attention"] * layers
    return config.get("layer_types") or ["full_attention" if i % 2 else "sliding_attention" for i in range(layers)]
