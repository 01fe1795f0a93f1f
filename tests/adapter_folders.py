"""An adapter of every kind, each moved away from identity, as a run leaves it."""

from pathlib import Path

import torch

from acestep_core import load_backend
from acestep_core.registry import registry

KINDS = [("plain", "lora", {"rank": 4}), ("dora", "lora", {"rank": 4, "dora": True}), ("small", "lokr", {}),
         ("turned", "oft", {"block_size": 16})]  # fmt: skip


def write_adapters(folder: Path, model: Path) -> Path:
    """NAME/adapter of each kind in `folder`, for the checkpoint in `model`."""
    opened = load_backend("pt", model=model, device="cpu", dtype="float32")
    generator = torch.Generator().manual_seed(3)
    for name, kind, options in KINDS:
        attached = registry().make("adapters", kind, options).attach(opened.dit.decoder)
        with torch.no_grad():
            for parameter in attached.parameters.values():
                parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        attached.save(folder / name / "adapter", {"base_variant": "turbo", "trigger": "zxc"})
        attached.detach()
    return folder
