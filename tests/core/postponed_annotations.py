"""A plugin module as many write them: annotations postponed, and some that only a type checker can resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from acestep_core import TimestepSampler, hookimpl, option

if TYPE_CHECKING:
    from a_package_that_is_not_installed import Table


class Postponed(TimestepSampler):
    name = "postponed"

    table: Table | None = None
    power: float = option(1.0, "exponent", gt=0)
    edges: list[float] | None = option(None, "where it bends")
    mode: Literal["up", "down"] = option("up", "which way")

    def sample(self, u: Any) -> Any:
        return u**self.power


@hookimpl
def acestep_samplers():
    return [Postponed]
