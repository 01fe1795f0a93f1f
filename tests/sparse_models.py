"""Checkpoint folders of the released shapes: true configs and safetensors headers, and files that are holes."""

import json
import struct
from pathlib import Path

from acestep_core.checkpoint import TEXT, VAE

_2B = {
    "model_type": "acestep", "is_turbo": True, "model_version": "turbo", "hidden_size": 2048,
    "intermediate_size": 6144, "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 8,
    "head_dim": 128, "num_lyric_encoder_hidden_layers": 8, "num_timbre_encoder_hidden_layers": 4,
    "num_attention_pooler_hidden_layers": 2, "text_hidden_dim": 1024, "timbre_hidden_dim": 64,
    "audio_acoustic_hidden_dim": 64, "in_channels": 192, "patch_size": 2, "pool_window_size": 5, "fsq_dim": 2048,
    "fsq_input_levels": [8, 8, 8, 5, 5, 5], "fsq_input_num_quantizers": 1, "sliding_window": 128,
}  # fmt: skip
_XL = _2B | {
    "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 32, "num_attention_heads": 32,
    "encoder_hidden_size": 2048, "encoder_intermediate_size": 6144, "encoder_num_attention_heads": 16,
    "encoder_num_key_value_heads": 8,
}  # fmt: skip
CONFIGS = {"2b": _2B, "2b-base": _2B | {"is_turbo": False, "model_version": "base"}, "xl": _XL}
_CODEC = {"encoder_hidden_size": 128, "downsampling_ratios": [2, 4, 4, 6, 10], "channel_multiples": [1, 2, 4, 8, 16],
          "decoder_channels": 128, "decoder_input_channels": 64}  # fmt: skip
_TEXT = {"vocab_size": 151_669, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
         "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True}  # fmt: skip


def write_sparse(root: Path, size: str) -> Path:
    """A folder that takes no disk but says what the released models of that size hold."""
    import torch
    from transformers import Qwen3Config, Qwen3Model

    from acestep_plugins.backends.pt.codec import oobleck
    from acestep_plugins.backends.pt.dit_modules import build_modules
    from acestep_plugins.backends.pt.folder import to_original

    with torch.device("meta"):
        dit = {f"{part}.{to_original(k)}": tuple(v.shape) for part, module in build_modules(CONFIGS[size]).items()
               for k, v in module.state_dict().items()}  # fmt: skip
        codec = {k: tuple(v.shape) for k, v in oobleck(**_CODEC).state_dict().items()}
        text = {k: tuple(v.shape) for k, v in Qwen3Model(Qwen3Config(**_TEXT)).state_dict().items()}
    dit["null_condition_emb"] = (1, 1, 2048)
    _write(root / f"acestep-v15-{size}" / "model.safetensors", CONFIGS[size], dit)
    _write(root / VAE / "diffusion_pytorch_model.safetensors", _CODEC, codec)
    _write(root / TEXT / "model.safetensors", _TEXT, text)
    return root


def _write(path: Path, config: dict, shapes: dict[str, tuple[int, ...]]) -> None:
    path.parent.mkdir(parents=True)
    (path.parent / "config.json").write_text(json.dumps(config))
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2  # bfloat16
        for n in shape:
            size *= n
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    start = json.dumps(header).encode()
    with path.open("wb") as f:
        f.write(struct.pack("<Q", len(start)) + start)
        f.truncate(8 + len(start) + at)


LMS = {
    "0.6B": {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16},
    "1.7B": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16},
    "4B": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32},
}


def write_sparse_lm(root: Path, size: str) -> Path:
    """A language model's folder likewise: Qwen3 with the audio codes in its vocabulary."""
    import torch
    from transformers import Qwen3Config, Qwen3Model

    config = {"vocab_size": 217_204, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True,
              "max_position_embeddings": 40_960, **LMS[size]}  # fmt: skip
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in Qwen3Model(Qwen3Config(**config)).state_dict().items()}
    path = root / f"acestep-5Hz-lm-{size}" / "model.safetensors"
    _write(path, config | {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}, shapes)
    return path.parent
