"""What run folders say about their trainings, side by side. Reads files and nothing else."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_core.run import SETTINGS, Run

T_BINS = 10
_COMPARED = ("train", "adapter", "sampler", "model", "data", "plugins", "backend")
# What makes losses of different runs no longer comparable, by table or setting of run.toml.
_WARNINGS = {
    "data": "the songs differ: the losses cannot be compared",
    "model": "the models differ: the losses cannot be compared",
    "plugins.acestep_loss": "the losses were computed by different code and cannot be compared",
    "sampler": "the timestep samplers differ: compare the loss by t or on fixed noise, not the mean",
}


@dataclass(frozen=True)
class RunFacts:
    """One run. What its metrics do not hold, such as the loss of a run that was never started, is None."""

    name: str
    folder: Path
    settings: Mapping[str, Any]
    adapter: str
    sampler: str
    steps: int
    finished: bool
    losses: tuple[tuple[int, float], ...]
    """(step, loss) of every step done."""
    by_t: tuple[float | None, ...]
    """Mean loss of the items in each of `T_BINS` equal intervals of t, over all steps."""
    last_tenth: float | None
    grid_before: float | None
    """Loss on fixed noise and timesteps, before the first step; `grid_after` is the same after the last."""
    grid_after: float | None
    validated: tuple[tuple[int, float], ...]
    """(step, loss) of the songs held out; step 0 is the model alone."""
    best: tuple[int, float] | None
    step_s: float | None
    """Median seconds from one step to the next, so that pauses of the run do not count."""

    memory: "Memory"

    @property
    def step(self) -> int:
        """The last step done."""
        return self.losses[-1][0] if self.losses else 0

    @property
    def base(self) -> float | None:
        """The validation loss of the model alone."""
        return next((loss for step, loss in self.validated if step == 0), None)

    @property
    def validation_last(self) -> float | None:
        return next((loss for step, loss in reversed(self.validated) if step), None)


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of a training: as it was forecast, and as it was. None where that is not known.

    `counted` says by what: the 'device' itself, or the growth of the 'process' where that is the CPU.
    """

    forecast: int | None
    measured: int | None
    counted: str = ""

    def __str__(self) -> str:
        told = "not forecast" if self.forecast is None else f"{_gb(self.forecast)} GB forecast"
        taken = "not measured" if self.measured is None else f"{_gb(self.measured)} GB taken ({self.counted})"
        return f"memory at the peak: {told}, {taken}"


def memory_of(records: Iterable[Mapping[str, Any]]) -> Memory:
    """Of the last start of a run that tells, and of the most that any took."""
    forecast, measured, counted = None, None, ""
    for r in records:
        if r["event"] == "forecast":
            forecast = r["demand"] and r["demand"]["peak"]
        elif r["event"] == "memory" and r["peak"] > (measured or 0):
            measured, counted = r["peak"], r["counted"]
    return Memory(forecast, measured, counted)


def read_run(folder: Path, name: str | None = None) -> RunFacts:
    """Raises `UserError` if the folder holds no run, or a damaged one."""
    if not (folder / SETTINGS).is_file():
        raise UserError(f"{folder} holds no run", "give a folder that `acestep-core train` wrote, or see: runs list")
    run = Run(folder)
    settings, records = run.settings(), list(run.metrics())
    try:
        return _facts(run, name or folder.resolve().name, settings, records)
    except (KeyError, TypeError) as e:
        raise UserError(f"The files of the run in {folder} are damaged ({e!r})", "leave this run out") from e


def find_runs(folder: Path) -> list[Path]:
    """Run folders at and below a folder, sorted. Raises `UserError` if there are none."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}", "check the path")
    found = sorted(p.parent for p in folder.rglob(SETTINGS))
    if not found:
        raise UserError(f"There is no run in {folder}", "acestep-core train ENCODED --model MODELS makes one")
    return found


def differences(runs: Sequence[RunFacts]) -> dict[str, list[Any]]:
    """The settings that are not the same in all runs: the value in each by `table.key`, None where there is none."""
    flat = [dict(_flat({t: run.settings.get(t, {}) for t in _COMPARED})) for run in runs]
    keys = sorted({key: None for each in flat for key in each}, key=lambda k: _COMPARED.index(k.partition(".")[0]))
    values = {key: [each.get(key) for each in flat] for key in keys}
    return {key: row for key, row in values.items() if any(v != row[0] for v in row)}


def remarks(runs: Sequence[RunFacts]) -> list[str]:
    """What makes a comparison less than it seems."""
    notes = []
    for run in runs:
        if not run.losses:
            notes.append(f"{run.name} has no step yet")
        elif not run.finished:
            notes.append(f"{run.name} is unfinished: step {run.step} of {run.steps}")
    differing = differences(runs)
    notes += [text for key, text in _WARNINGS.items() if any(f"{name}.".startswith(f"{key}.") for name in differing)]
    return notes


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """The centred moving mean over about `window` values; fewer at the ends."""
    half = max(0, window // 2)
    spans = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
    return [sum(span) / len(span) for span in spans]


def by_t(losses: Iterable[tuple[float, float]]) -> tuple[float | None, ...]:
    """Mean loss in each of `T_BINS` equal intervals of t, out of (t, loss); None where there was no t."""
    bins: list[list[float]] = [[] for _ in range(T_BINS)]
    for t, loss in losses:
        bins[min(int(t * T_BINS), T_BINS - 1)].append(loss)
    return tuple(map(_mean, bins))


def _facts(run: Run, name: str, settings: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> RunFacts:
    steps = [r for r in records if r["event"] == "step"]
    losses = [(r["step"], r["loss"]) for r in steps]
    grid = [(r["step"], r["loss"]) for r in records if r["event"] == "grid"]
    return RunFacts(
        name=name,
        folder=run.folder,
        settings=settings,
        adapter=settings["adapter"]["name"],
        sampler=settings["sampler"]["name"],
        steps=settings["train"]["steps"],
        finished=run.adapter.is_dir(),
        losses=tuple(losses),
        by_t=by_t((t, loss) for r in steps for t, loss in zip(r["t"], r["losses"], strict=True)),
        last_tenth=_mean([loss for _, loss in losses[-max(1, len(losses) // 10) :]]),
        grid_before=next((loss for step, loss in grid if step == 0), None),
        grid_after=next((loss for step, loss in reversed(grid) if step > 0), None),
        validated=tuple((r["step"], r["loss"]) for r in records if r["event"] == "validation"),
        best=run.best(),
        memory=memory_of(records),
        step_s=_median([b["time"] - a["time"] for a, b in pairwise(steps)]),
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f}"


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
