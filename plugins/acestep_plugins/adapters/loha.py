"""LoHa (Hadamard product) through LyCORIS: rank squared for twice the parameters of LoRA, and the slowest of all."""

from typing import Any

from acestep_core import Attached, hookimpl, option
from acestep_plugins.adapters.recognising import Kind
from acestep_plugins.adapters.targets import RANKS_HELP


class Loha(Kind):
    name = "loha"
    learning_rate = 1e-4

    rank: int = option(16, "size of each of the two low-rank factors; the change has up to its square", ge=1, le=1024)
    ranks: list[str] = option([], RANKS_HELP)
    dora: bool = option(False, "learn the size of each output apart from its direction; slower")

    def _fresh(self, decoder: Any) -> Attached:
        from acestep_plugins.adapters.fresh import fresh_loha

        return fresh_loha(self, decoder)

    def _saver(self) -> Any:
        from acestep_plugins.adapters.writing import save_loha

        return save_loha

    @classmethod
    def _options_of(cls, stored: Any) -> dict[str, Any]:
        from acestep_plugins.adapters.stored import usual

        return {"rank": usual(stored.ranks) or 1, "dora": stored.decomposed}


@hookimpl
def acestep_adapters():
    return [Loha]
