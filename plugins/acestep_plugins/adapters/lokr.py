"""LoKr (Kronecker product) through LyCORIS: far fewer parameters than LoRA, computed without building the change."""

from typing import Any

from acestep_core import Attached, hookimpl, option
from acestep_plugins.adapters.recognising import Kind


class Lokr(Kind):
    name = "lokr"
    learning_rate = 1e-3

    dim: int | None = option(None, "rank of the larger factor; it is trained in full unless given", ge=1, le=4096)
    factor: int = option(-1, "size of the smaller factor; -1 = as near to a square root as possible", ge=-1)
    decompose_both: bool = option(False, "give the smaller factor a low rank too")
    dora: bool = option(False, "learn the size of each output apart from its direction; slower")

    def _fresh(self, decoder: Any) -> Attached:
        from acestep_plugins.adapters.fresh import fresh_lokr

        return fresh_lokr(self, decoder)

    def _saver(self) -> Any:
        from acestep_plugins.adapters.writing import lokr_saver

        kept = self._stored.config if self._stored is not None else {}
        return lokr_saver({"factor": self.factor, "decompose_both": self.decompose_both, **kept})

    @classmethod
    def _options_of(cls, stored: Any) -> dict[str, Any]:
        from acestep_plugins.adapters.stored import usual

        config = {k: stored.config[k] for k in ("factor", "decompose_both") if k in stored.config}
        return {**config, "dim": usual(stored.ranks), "dora": stored.decomposed}


@hookimpl
def acestep_adapters():
    return [Lokr]
