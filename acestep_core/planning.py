"""Which way of running a model fits a given amount of memory, how long a clip may then be, and how many at once."""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from acestep_core.api import Backend
from acestep_core.checkpoint import Checkpoint
from acestep_core.errors import UserError
from acestep_core.model import PARTS
from acestep_core.parts import Demand, Saving
from acestep_core.registry import Registry

LONGEST_S, STEP_S, LARGEST_BATCH = 600, 10, 8
# Driver, kernels and gaps between blocks. The reference keeps as much; no GPU was at hand to measure it.
RESERVE = 500_000_000


@dataclass(frozen=True)
class Plan:
    """A way of running with what it needs at its peak, in bytes, for `batch` clips of `seconds`.

    `longest_s` is how long one clip may be, `most` how many of `seconds` fit at once.
    """

    options: Mapping[str, Any]
    one_at_a_time: bool
    parts: Mapping[str, Demand]
    seconds: float
    batch: int
    peak: int
    budget: int
    longest_s: int
    most: int
    note: str = ""

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def peak_of(parts: Mapping[str, Demand], one_at_a_time: bool) -> int:
    """Bytes at the moment that needs most: one part works, and either all are loaded or it alone is."""
    if one_at_a_time:
        return RESERVE + max(d.weights + d.work for d in parts.values())
    return RESERVE + sum(d.weights for d in parts.values()) + max(d.work for d in parts.values())


def plan(
    checkpoint: Checkpoint,
    name: str,
    options: Mapping[str, Any],
    plugins: Registry,
    *,
    budget: int | None,
    seconds: float = 240.0,
    batch: int = 1,
) -> Plan:
    """The way that costs least and fits `budget` bytes, or what is free here now.

    `options` are the user's for the backend with that name; they stay as they are. Raises `UserError` if nothing fits.
    """
    backend = plugins.make("backends", name, options)
    backend.check()
    free = backend.room() if budget is None else budget
    if free is None:
        raise UserError("This device does not say how much memory is free", "give --vram")
    ways = list(backend.savings(elsewhere=budget is not None))
    if not ways:
        raise UserError(f"The backend '{name}' knows no way to run with these options", "give fewer of them")
    for way in ways:
        made = plugins.make("backends", name, way.options)
        parts = _parts(checkpoint, made, seconds, batch)
        if peak_of(parts, way.one_at_a_time) <= free:
            return _measured(checkpoint, made, way, parts, free, seconds, batch)
    raise _too_little(_measured(checkpoint, made, way, parts, free, seconds, batch))


def _parts(checkpoint: Checkpoint, backend: Backend, seconds: float, batch: int) -> dict[str, Demand]:
    return {p: backend.demand(p, checkpoint.part(p), seconds, batch) for p in PARTS}


def _measured(
    checkpoint: Checkpoint,
    backend: Backend,
    way: Saving,
    parts: Mapping[str, Demand],
    free: int,
    seconds: float,
    batch: int,
) -> Plan:
    def too_much(seconds: float, batch: int) -> bool:
        return peak_of(_parts(checkpoint, backend, seconds, batch), way.one_at_a_time) > free

    lengths, sizes = range(STEP_S, LONGEST_S + 1, STEP_S), range(1, LARGEST_BATCH + 1)
    return Plan(
        options=way.options,
        one_at_a_time=way.one_at_a_time,
        parts=parts,
        seconds=seconds,
        batch=batch,
        peak=peak_of(parts, way.one_at_a_time),
        budget=free,
        longest_s=STEP_S * bisect(lengths, False, key=lambda s: too_much(s, 1)),
        most=bisect(sizes, False, key=lambda n: too_much(seconds, n)),
        note=way.note,
    )


def _too_little(least: Plan) -> UserError:
    """Says what stands in the way with the thriftiest way there is."""
    name, worst = max(least.parts.items(), key=lambda item: item[1].weights + item[1].work)
    problem = (
        f"{least.batch} x {least.seconds:g} s needs at least {gigabytes(least.peak)} of memory, "
        f"there are {gigabytes(least.budget)}: {name} alone has {gigabytes(worst.weights)} of weights "
        f"and needs {gigabytes(worst.work)} to work"
    )
    if least.longest_s:
        return UserError(problem, f"one clip of up to {least.longest_s} s fits: give --seconds {least.longest_s}")
    return UserError(problem, "use a smaller model, or the CPU: generate -o backend.device=cpu")


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def command_line(found: Plan, model: str, variant: str | None, backend: str) -> Sequence[str]:
    """Words of the `generate` command that runs as planned."""
    given = [w for k, v in found.options.items() for w in ("-o", f"backend.{k}={_word(v)}")]
    chosen = ["--variant", variant] if variant else []
    chosen += ["--backend", backend] if backend != "pt" else []
    length = ["--duration", f"{min(found.seconds, found.longest_s or found.seconds):g}"]
    return ["acestep-core", "generate", "--model", model, *chosen, *given, *length]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
