"""Folders that say what the published models are, without their weights: for planning before anything is downloaded.

Each has a config.json and the header of a safetensors file with true names and shapes, so that a backend reads it like
the real one. Made from the published configs; the sizes are compared with the real classes in the tests.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from acestep_core.checkpoint import LM_PREFIX, TEXT, VAE

Shapes = dict[str, tuple[int, ...]]

_2B = {
    "model_type": "acestep", "is_turbo": True, "model_version": "turbo", "hidden_size": 2048,
    "intermediate_size": 6144, "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 8,
    "head_dim": 128, "patch_size": 2,
}  # fmt: skip
_QWEN = {"head_dim": 128, "num_key_value_heads": 8, "tie_word_embeddings": True, "max_position_embeddings": 40_960}
_EMBEDDING = {**_QWEN, "model_type": "qwen3", "architectures": ["Qwen3Model"], "vocab_size": 151_669,
              "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
              "num_attention_heads": 16}  # fmt: skip
_LM = {**_QWEN, "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "vocab_size": 217_204}
_LMS = {
    "0.6B": {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16},
    "1.7B": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16},
    "4B": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32},
}
_CODEC = {"_class_name": "AutoencoderOobleck", "encoder_hidden_size": 128, "decoder_channels": 128}
_CODEC_PARAMETERS = 168_695_426
_ENCODERS = {"lyric_encoder": 8, "timbre_encoder": 4}  # layers
_TEXT_WIDTH, _LATENT = 1024, 64


def write_outlines(root: Path) -> list[Path]:
    """The 2B turbo model and its parts in `root`, and every language model; the folders of those."""
    _write(root / "acestep-v15-turbo" / "model.safetensors", _2B, dict(_dit(_2B)))
    _write(root / VAE / "diffusion_pytorch_model.safetensors", _CODEC, {"weights": (_CODEC_PARAMETERS,)})
    _write(root / TEXT / "model.safetensors", _EMBEDDING, dict(_qwen(_EMBEDDING)))
    for name, config in _LMS.items():
        _write(root / f"{LM_PREFIX}{name}" / "model.safetensors", _LM | config, dict(_qwen(_LM | config)))
    return [root / f"{LM_PREFIX}{name}" for name in _LMS]


def _qwen(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "embed_tokens.weight", (config["vocab_size"], config["hidden_size"])
    for layer in range(config["num_hidden_layers"]):
        yield from _attention(f"layers.{layer}.self_attn", config)
        yield from _mlp(f"layers.{layer}.mlp", config)


def _dit(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Decoder and condition encoder, which the decoder's own widths serve at 2B."""
    width = config["hidden_size"]
    for layer in range(config["num_hidden_layers"]):
        place = f"decoder.layers.{layer}"
        yield from _attention(f"{place}.self_attn", config)
        yield from _attention(f"{place}.cross_attn", config)
        yield from _mlp(f"{place}.mlp", config)
        yield f"{place}.scale_shift_table", (1, 6, width)
    for name in ("time_embed", "time_embed_r"):
        yield f"decoder.{name}.linear_1.weight", (width, 256)
        yield f"decoder.{name}.linear_2.weight", (width, width)
        yield f"decoder.{name}.time_proj.weight", (6 * width, width)
    yield "decoder.proj_in.1.weight", (width, 3 * _LATENT, config["patch_size"])
    yield "decoder.proj_out.1.weight", (width, _LATENT, config["patch_size"])
    yield "decoder.condition_embedder.weight", (width, width)
    yield "encoder.text_projector.weight", (width, _TEXT_WIDTH)
    for name, layers in _ENCODERS.items():
        inputs = _TEXT_WIDTH if name == "lyric_encoder" else _LATENT
        yield f"encoder.{name}.embed_tokens.weight", (width, inputs)
        for layer in range(layers):
            yield from _attention(f"encoder.{name}.layers.{layer}.self_attn", config)
            yield from _mlp(f"encoder.{name}.layers.{layer}.mlp", config)


def _attention(place: str, config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, head = config["hidden_size"], config["head_dim"]
    heads, keys = (config[n] * head for n in ("num_attention_heads", "num_key_value_heads"))
    shapes = {"q": (heads, width), "k": (keys, width), "v": (keys, width), "o": (width, heads)}
    return ((f"{place}.{name}_proj.weight", shape) for name, shape in shapes.items())


def _mlp(place: str, config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {"gate": (inner, width), "up": (inner, width), "down": (width, inner)}
    return ((f"{place}.{name}_proj.weight", shape) for name, shape in shapes.items())


def _write(path: Path, config: Mapping[str, Any], shapes: Shapes) -> None:
    path.parent.mkdir(parents=True)
    (path.parent / "config.json").write_text(json.dumps(config), encoding="utf-8")
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    start = json.dumps(header).encode()
    path.write_bytes(len(start).to_bytes(8, "little") + start)
