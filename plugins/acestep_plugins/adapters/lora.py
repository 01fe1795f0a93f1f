"""LoRA through PEFT. The saved file has the strength folded in, so it sounds the same in every program."""

import json
from dataclasses import field
from pathlib import Path
from typing import Any

from acestep_core import Adapter, Attached, UserError, hookimpl, option
from acestep_plugins.adapters.targets import Attention

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


class Lora(Adapter):
    name = "lora"
    learning_rate = 1e-4

    rank: int = option(64, "size of the low-rank change; larger learns more and takes more memory", ge=1, le=1024)
    alpha: float | None = option(None, "strength while training is alpha / rank; twice the rank unless given", gt=0)
    dropout: float = option(0.0, "share of inputs dropped while training", ge=0, lt=1)
    attention: Attention = option("both", "which attention is changed")
    projections: list[str] = option(["q", "k", "v", "o"], "which of its projections")
    mlp: bool = option(False, "change the MLP too")
    modules: tuple[str, ...] = field(default=())  # exact layers, when read from a file

    def attach(self, decoder: Any) -> Attached:
        from acestep_plugins.adapters.lora_torch import AttachedLora

        return AttachedLora(self, decoder)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        try:
            return json.loads((path / CONFIG).read_text(encoding="utf-8")).get("peft_type") == "LORA"
        except (OSError, ValueError, AttributeError):
            return False

    @classmethod
    def from_files(cls, path: Path) -> "Lora":
        from acestep_plugins.adapters.lora_torch import layers_in

        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        unsupported = [k for k in ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern") if config.get(k)]
        if unsupported:
            raise UserError(
                f"{path} uses {', '.join(unsupported)}, which is not supported yet", "export it as plain LoRA"
            )
        return cls(rank=config["r"], alpha=config["lora_alpha"], modules=layers_in(path / WEIGHTS))


@hookimpl
def acestep_adapters():
    return [Lora]
