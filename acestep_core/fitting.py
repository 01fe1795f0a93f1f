"""Whether a model fits this machine's device, as `models plan` reckons it for a clip of a minute."""

from acestep_core.checkpoint import Checkpoint
from acestep_core.errors import UserError
from acestep_core.planning import plan
from acestep_core.registry import Registry

SECONDS = 60.0


def fits(checkpoint: Checkpoint, backend: str, plugins: Registry, budget: int | None = None) -> str:
    """'yes' if all parts fit together, else how it runs: 'in turn', '8 bits', or both; 'no' if it does not.

    `budget` are the bytes there are; what is free here now unless given.
    """
    try:
        found = plan(checkpoint, backend, {}, plugins, budget=budget, seconds=SECONDS)
    except UserError:
        return "no"
    small = found.options.get("quantization", "none") != "none"
    ways = [*["in turn"] * found.one_at_a_time, *["8 bits"] * small]
    return ", ".join(ways) or "yes"
