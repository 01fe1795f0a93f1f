"""Puts what was learnt into a checkpoint of the original layout."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from acestep_core.checkpoint import TEXT, VAE
from acestep_core.layer_names import to_original
from acestep_nano.learning.blank import write_dit, write_text
from acestep_nano.learning.everything import FILE, NULL


def pack(start: Path, learnt: Path, out: Path, variant: str, dtype: torch.dtype) -> Path:
    """The checkpoint `start` with the weights of the folder `learnt` in place of its own, into the folder `out`.

    The codec, the tokenizer and whatever did not learn are taken over. The folder of the DiT.
    """
    tensors = load_file(str(learnt / FILE))
    base = next(p for p in sorted(start.glob("acestep-nano-*")) if p.is_dir())
    weights = load_file(str(base / "model.safetensors"))
    for name, tensor in tensors.items():
        part, _, key = name.partition(".")
        if part in ("decoder", "encoder"):
            weights[f"{part}.{to_original(key)}"] = tensor
        elif name == NULL:
            weights[name] = tensor
    folder = out / f"acestep-nano-{variant}"
    write_dit(folder, variant, weights, dtype)
    shutil.copy(base / "silence_latent.pt", folder)
    shutil.copytree(start / VAE, out / VAE, dirs_exist_ok=True)
    shutil.copytree(start / TEXT, out / TEXT, dirs_exist_ok=True)
    write_text(out / TEXT, load_file(str(start / TEXT / "model.safetensors")), dtype)
    return folder
