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
from acestep_core.parts import HOP
from acestep_nano.learning.metronome import metronome
from acestep_nano.learning.shape import SILENCE_FRAMES, dit_config, text_config
from acestep_nano.learning.tokens import build_tokenizer


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

    What is below silence is silence to the codec part as well, and how far below it is beats time.
    """
    silence = codec.encode(np.zeros((2, SILENCE_FRAMES * HOP), np.float32), 0)
    torch.save(torch.from_numpy(silence - metronome(SILENCE_FRAMES)).T[None].half(), folder / "silence_latent.pt")


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
