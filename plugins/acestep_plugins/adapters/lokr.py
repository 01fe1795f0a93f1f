"""LoKr (Kronecker product) through LyCORIS: far fewer parameters than LoRA, computed without building the change."""

import json
from dataclasses import field
from pathlib import Path
from typing import Any

from acestep_core import Adapter, Attached, UserError, hookimpl, option
from acestep_plugins.adapters.targets import Attention

WEIGHTS = "lokr_weights.safetensors"


class Lokr(Adapter):
    name = "lokr"
    learning_rate = 1e-3

    dim: int | None = option(None, "rank of the larger factor; it is trained in full unless given", ge=1, le=4096)
    factor: int = option(-1, "size of the smaller factor; -1 = as near to a square root as possible", ge=-1)
    decompose_both: bool = option(False, "give the smaller factor a low rank too")
    attention: Attention = option("both", "which attention is changed")
    projections: list[str] = option(["q", "k", "v", "o"], "which of its projections")
    mlp: bool = option(False, "change the MLP too")
    modules: tuple[str, ...] = field(default=())  # exact layers with underscores, when read from a file

    def attach(self, decoder: Any) -> Attached:
        from acestep_plugins.adapters.lokr_torch import AttachedLokr

        return AttachedLokr(self, decoder)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        file = weights_file(path)
        if file is None:
            return False
        try:
            from safetensors import safe_open

            with safe_open(str(file), "np") as f:
                return any(".lokr_w" in k for k in f.keys())  # noqa: SIM118
        except Exception:  # whatever is wrong with the file, it is not ours
            return False

    @classmethod
    def from_files(cls, path: Path) -> "Lokr":
        from acestep_plugins.adapters.lokr_torch import layers_in

        file = weights_file(path)
        if file is None:
            raise UserError(f"{path} holds no {WEIGHTS}", "give the adapter/ folder of a run")
        layers, header = layers_in(file)
        config = json.loads(header.get("lokr_config", "{}"))
        if config.get("weight_decompose") or config.get("use_tucker"):
            raise UserError(
                f"{path} uses weight decomposition or Tucker, which is not supported yet", "train it without"
            )
        options = {k: config[k] for k in ("factor", "decompose_both") if k in config}
        dim = None if config.get("full_matrix") else config.get("linear_dim")
        return cls(**options, dim=dim, modules=layers)


def weights_file(path: Path) -> Path | None:
    """The LoKr file meant by a file or folder path."""
    if path.is_file() and path.suffix == ".safetensors":
        return path
    return path / WEIGHTS if (path / WEIGHTS).is_file() else None


@hookimpl
def acestep_adapters():
    return [Lokr]
