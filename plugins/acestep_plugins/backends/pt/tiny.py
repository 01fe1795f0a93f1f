"""Writes a complete tiny checkpoint in the original layout, with random weights: for tests, demos and trying things."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from acestep_core import UserError
from acestep_core.checkpoint import LM_PREFIX, TEXT, VAE
from acestep_core.layer_names import to_original
from acestep_core.parts import CHANNELS, HOP
from acestep_plugins.backends.pt.tiny_tokenizer import build_tokenizer

TEXT_WIDTH, LM_WIDTH = 24, 16
SILENCE_FRAMES = 1500
_DTYPE = torch.bfloat16
# Brings the random encoder's latents to about unit variance on music, as the real codec's are.
_LATENT_GAIN = 15.0
_DIT = {
    "model_type": "acestep",
    "architectures": ["AceStepConditionGenerationModel"],
    "random_weights": True,
    "lyric_alignment_layers_config": {"0": [2], "1": [3, 5], "2": [1]},
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "num_lyric_encoder_hidden_layers": 2,
    "num_timbre_encoder_hidden_layers": 2,
    "num_attention_pooler_hidden_layers": 2,
    "num_audio_decoder_hidden_layers": 4,
    "text_hidden_dim": TEXT_WIDTH,
    "timbre_hidden_dim": CHANNELS,
    "audio_acoustic_hidden_dim": CHANNELS,
    "in_channels": 3 * CHANNELS,
    "patch_size": 2,
    "pool_window_size": 5,
    "timbre_fix_frame": 750,
    "fsq_dim": 128,
    "fsq_input_levels": [8, 8, 8, 5, 5, 5],
    "fsq_input_num_quantizers": 1,
    "sliding_window": 128,
    "use_sliding_window": True,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "rope_theta": 1000000,
    "rms_norm_eps": 1e-6,
    "attention_bias": False,
    "max_position_embeddings": 32768,
    "vocab_size": 64003,
    "timestep_mu": -0.4,
    "timestep_sigma": 1.0,
    "data_proportion": 0.5,
}

_VAE = {
    "_class_name": "AutoencoderOobleck",
    "encoder_hidden_size": 2 * CHANNELS,  # its mean and scale
    "encoder_width": 16,
    "downsampling_ratios": [10, 12, 16],
    "channel_multiples": [1, 1, 1],
    "decoder_channels": 16,
    "decoder_input_channels": CHANNELS,
    "audio_channels": 2,
    "sampling_rate": 48000,
}


def write_checkpoint(root: Path, variant: str) -> int:
    """Write the DiT beside the parts it shares with its sibling, if they are not there; size of `root` in bytes."""
    folder = root / f"acestep-v15-tiny-{variant}"
    if folder.exists():
        raise UserError(f"{folder} is there already", "delete it, or give another folder")
    random_state = torch.get_rng_state()
    try:
        for name, write in ((VAE, _write_vae), (TEXT, _write_text), (f"{LM_PREFIX}0.6B", _write_lm)):
            if not (root / name).exists():
                write(root / name)
        _write_dit(folder, root / VAE, variant)
    finally:
        torch.set_rng_state(random_state)
    return sum(p.stat().st_size for p in root.rglob("*") if p.is_file())


def _write_dit(folder: Path, vae: Path, variant: str) -> None:
    from acestep_plugins.backends.pt.dit_modules import build_modules

    config = _DIT | {"is_turbo": variant == "turbo", "model_version": variant}
    torch.manual_seed({"turbo": 1, "base": 2}[variant])
    tensors = {
        f"{part}.{to_original(key)}": value
        for part, module in build_modules(config).items()
        for key, value in module.state_dict().items()
    }
    tensors["null_condition_emb"] = torch.randn(1, 1, config["hidden_size"]) * 0.5
    with _folder(folder) as place:
        _write_json(place / "config.json", config)
        _save(place / "model.safetensors", tensors)
        torch.save(_silence(vae).to(_DTYPE), place / "silence_latent.pt")


def _write_vae(folder: Path) -> None:
    from acestep_plugins.backends.pt.codec import oobleck

    torch.manual_seed(3)
    vae = oobleck(**{k: v for k, v in _VAE.items() if not k.startswith("_")})
    assert vae.hop_length == HOP
    with torch.no_grad():
        for name, parameter in vae.encoder.named_parameters():
            if name.endswith("bias"):
                parameter *= 0.4  # of so few channels they would drown the music
        last = vae.encoder.conv2
        last.weight_g[:CHANNELS] *= _LATENT_GAIN
        last.weight_g[CHANNELS:] *= 0.1
        last.bias[CHANNELS:] = -4.0  # posterior spread of about 0.02
    with _folder(folder) as place:
        _write_json(place / "config.json", _VAE)
        _save(place / "diffusion_pytorch_model.safetensors", vae.state_dict())


def _write_text(folder: Path) -> None:
    _write_qwen(folder, TEXT_WIDTH, seed=4, architecture="Qwen3Model")


def _write_lm(folder: Path) -> None:
    """As in the original files, the weights lack the prefix `model.` and the head is the embedding."""
    _write_qwen(folder, LM_WIDTH, seed=5, architecture="Qwen3ForCausalLM")


def _write_qwen(folder: Path, width: int, seed: int, architecture: str) -> None:
    from transformers import Qwen3Config, Qwen3Model

    tokenizer = build_tokenizer()
    torch.manual_seed(seed)
    model = Qwen3Model(Qwen3Config(**_qwen(len(tokenizer), width), architectures=[architecture]))
    with _folder(folder) as place:
        model.config.save_pretrained(place)
        _save(place / "model.safetensors", model.state_dict())
        tokenizer.save_pretrained(place)


def _qwen(vocabulary: int, width: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": width // 4,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": True,
        "initializer_range": 0.5,  # the usual 0.02 would make every text alike at this width
    }


def _silence(vae: Path) -> torch.Tensor:
    """[1, 64, N]: what the codec makes of silence, its steady middle repeated."""
    from acestep_plugins.backends.pt.codec import open_codec
    from acestep_plugins.backends.pt.device import choose

    codec = open_codec(vae, choose("cpu", "float32"))
    latents = torch.from_numpy(codec.encode(torch.zeros(2, 60 * HOP).numpy(), seed=0))
    start, steady = latents[:25], latents[25:26]
    return torch.cat([start, steady.expand(SILENCE_FRAMES - 25, -1)]).T[None].contiguous()


def _save(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    stored = {k: v.detach().to(_DTYPE).contiguous() for k, v in tensors.items()}
    save_file(stored, str(path), metadata={"format": "pt"})


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


class _folder:
    """A folder that appears only when everything in it was written."""

    def __init__(self, final: Path):
        self._final, self._temporary = final, final.with_name(f".{final.name}.tmp")

    def __enter__(self) -> Path:
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(parents=True)
        return self._temporary

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self._temporary.rename(self._final)
        else:
            shutil.rmtree(self._temporary, ignore_errors=True)
