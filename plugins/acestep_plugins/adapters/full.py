"""Every weight of the decoder, trained in float32 beside it; saved as differences, so that a strength can be given.

Learns most and takes most memory: beside the model 16 bytes for each of its weights with adamw.
"""

from typing import Any

from acestep_core import Attached, hookimpl, option
from acestep_plugins.adapters.recognising import Kind


class Full(Kind):
    name = "full"
    learning_rate = 1e-5
    eight_bits = False

    mlp: bool = option(True, "change the MLP")
    norms: bool = option(True, "change the norms of the layers and the tables that modulate them")
    outside: bool = option(True, "change what is before and behind the layers: patches, time, condition, output")
    layers: list[str] = option([], "exactly these weights, as regular expressions of whole names, and no others")

    def _fresh(self, decoder: Any) -> Attached:
        from acestep_plugins.adapters.fresh import fresh_full

        return fresh_full(self, decoder)

    def _saver(self) -> Any:
        from acestep_plugins.adapters.writing import save_full

        return save_full

    @classmethod
    def _options_of(cls, stored: Any) -> dict[str, Any]:
        return {}


@hookimpl
def acestep_adapters():
    return [Full]
