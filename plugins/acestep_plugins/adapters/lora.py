"""LoRA, with rsLoRA, DoRA and ranks by layer. The saved file has the strength folded in: it sounds alike everywhere."""

from typing import Any

from acestep_core import Attached, hookimpl, option
from acestep_plugins.adapters.recognising import Kind
from acestep_plugins.adapters.targets import RANKS_HELP


class Lora(Kind):
    name = "lora"
    learning_rate = 1e-4

    rank: int = option(64, "size of the low-rank change; larger learns more and takes more memory", ge=1, le=1024)
    ranks: list[str] = option([], RANKS_HELP)
    alpha: float | None = option(None, "strength while training is alpha / rank; twice the rank unless given", gt=0)
    rslora: bool = option(False, "strength alpha / sqrt(rank), so that large ranks learn as fast as small ones")
    dora: bool = option(False, "learn the size of each output apart from its direction; slower")
    dropout: float = option(0.0, "share of inputs dropped while training", ge=0, lt=1)

    def _fresh(self, decoder: Any) -> Attached:
        from acestep_plugins.adapters.fresh import fresh_lora

        return fresh_lora(self, decoder)

    def _saver(self) -> Any:
        from acestep_plugins.adapters.writing import save_lora

        return save_lora

    @classmethod
    def _options_of(cls, stored: Any) -> dict[str, Any]:
        from acestep_plugins.adapters.stored import usual

        rank = usual(stored.ranks) or 1
        return {"rank": rank, "alpha": float(rank), "dora": stored.decomposed}


@hookimpl
def acestep_adapters():
    return [Lora]
