"""OFT through PEFT: turns blocks of a layer's input, which keeps the angles between its outputs."""

from typing import Any

from acestep_core import Attached, hookimpl, option
from acestep_plugins.adapters.recognising import Kind


class Oft(Kind):
    name = "oft"
    learning_rate = 1e-4

    block_size: int = option(
        64, "inputs turned together; has to divide the width of every changed layer", ge=2, le=1024
    )
    exact: bool = option(False, "solve for exact rotations instead of the quick series; slower")

    def _fresh(self, decoder: Any) -> Attached:
        from acestep_plugins.adapters.fresh import fresh_oft

        return fresh_oft(self, decoder)

    def _saver(self) -> Any:
        from acestep_plugins.adapters.writing import oft_saver

        kept = self._stored.config if self._stored is not None else {}
        constraints = self._stored.constraints if self._stored is not None else {}
        return oft_saver({"use_cayley_neumann": not self.exact, **kept}, constraints)

    @classmethod
    def _options_of(cls, stored: Any) -> dict[str, Any]:
        sizes = [leaves["oft_R"].shape[1] for leaves in stored.layers.values() if "oft_R" in leaves]
        block = {"block_size": round((1 + (1 + 8 * sizes[0]) ** 0.5) / 2)} if sizes else {}
        return {**block, "exact": not stored.config.get("use_cayley_neumann", True)}


@hookimpl
def acestep_adapters():
    return [Oft]
