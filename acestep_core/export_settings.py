"""What can be chosen when an adapter is written for another program, and what is told of it afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from acestep_core.options import option


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """How to write it; which program for is said apart."""

    rank: int | None = option(None, "write the nearest LoRA of at most this rank, layer by layer", ge=1)
    max_error: float | None = option(
        None, "write the smallest LoRA with at most this relative error in every layer", gt=0, lt=1
    )
    dtype: Literal["float32", "float16", "bfloat16"] | None = option(
        None, "precision of the file; as the adapter's own unless given"
    )
    trigger: str | None = option(None, "trigger word for the header; what stands there unless given")
    author: str | None = option(None, "author for the header; what stands there unless given")
    license: str | None = option(None, "licence for the header; what stands there unless given")

    @property
    def approximates(self) -> bool:
        """Whether a LoRA of a certain size is asked for."""
        return self.rank is not None or self.max_error is not None


@dataclass(frozen=True)
class Exported:
    """What to tell the user; `layers` has facts about each layer as plain JSON types where there are any."""

    notes: Sequence[str] = ()
    layers: Sequence[Mapping[str, Any]] = ()
