"""Writes a checkpoint of acestep-nano before it has learnt anything, and puts what was learnt into one."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from acestep_core.checkpoint import TEXT
from acestep_core.files import write_json
from acestep_core.layer_names import to_original
from acestep_core.parts import CHANNELS, FRAME_RATE_HZ, HOP
from acestep_nano.learning.shape import SILENCE_FRAMES, SLOW_FRAMES, SLOW_WAVES, dit_config, text_config
from acestep_nano.learning.tokens import build_tokenizer
from acestep_nano.pieces import FASTEST, SLOWEST


def write_blank(root: Path, texts: Iterable[str], vocabulary: int, seed: int) -> Path:
    """Text encoder and a base model with random weights below `root`; the folder of the base model."""
    torch.manual_seed(seed)
    _write_text(root / TEXT, texts, vocabulary)
    folder = root / "acestep-nano-base"
    tensors = _random_tensors(dit_config("base"))
    write_dit(folder, "base", tensors, torch.float32)
    return folder


def write_dit(folder: Path, variant: str, tensors: Mapping[str, torch.Tensor], dtype: torch.dtype) -> None:
    """A DiT folder, but for the latents of silence (`write_silence`)."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", dit_config(variant))
    _save(folder / "model.safetensors", tensors, dtype)


def write_silence(folder: Path, codec: Any) -> None:
    """silence_latent.pt [1, 64, N]: what the codec part makes of silence, with a metronome in it.

    The decoder sees how far apart two frames are and not where a piece begins, so that no beat would have its place
    until noise has settled it. What is below silence is silence to the codec part as well: how far below beats time.
    """
    silence = codec.encode(np.zeros((2, SILENCE_FRAMES * HOP), np.float32), 0)
    torch.save(torch.from_numpy(silence - metronome(SILENCE_FRAMES)).T[None].half(), folder / "silence_latent.pt")


def metronome(frames: int) -> np.ndarray:
    """float32 [T, 64] from 0 to 1: sines, then cosines, of tempos from the slowest to the fastest and of slow waves."""
    beats = np.geomspace(SLOWEST, FASTEST, CHANNELS // 2 - SLOW_WAVES) / 60 / FRAME_RATE_HZ
    waves = np.concatenate([beats, 1 / np.geomspace(*SLOW_FRAMES, SLOW_WAVES)])
    angles = 2 * np.pi * np.arange(frames)[:, None] * waves
    return (0.5 + 0.5 * np.concatenate([np.sin(angles), np.cos(angles)], axis=1)).astype(np.float32)


def write_text(folder: Path, state: Mapping[str, torch.Tensor], dtype: torch.dtype) -> None:
    """The weights of the text encoder; its config and tokenizer are there."""
    _save(folder / "model.safetensors", state, dtype)


def _random_tensors(config: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    from acestep_plugins.backends.pt.dit_modules import build_modules

    modules = build_modules(config)
    torch.nn.init.zeros_(modules["decoder"].proj_out_conv.weight)  # the first guess is the mean
    tensors = {
        f"{part}.{to_original(key)}": value
        for part, module in modules.items()
        for key, value in module.state_dict().items()
    }
    return tensors | {"null_condition_emb": torch.randn(1, 1, config["hidden_size"])}


def _write_text(folder: Path, texts: Iterable[str], vocabulary: int) -> None:
    from transformers import Qwen3Config, Qwen3Model

    tokenizer = build_tokenizer(texts, vocabulary)
    model = Qwen3Model(Qwen3Config(**text_config(len(tokenizer)), initializer_range=0.05))
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_text(folder, model.state_dict(), torch.float32)


def _save(path: Path, tensors: Mapping[str, torch.Tensor], dtype: torch.dtype) -> None:
    stored = {name: tensor.detach().to(dtype).contiguous() for name, tensor in tensors.items()}
    temporary = path.with_suffix(".tmp")
    save_file(stored, str(temporary), {"format": "pt"})
    temporary.replace(path)
