"""Run folders with chosen numbers, made without a model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from acestep_core.run import Run

SETTINGS = {
    "train": {"steps": 20, "learning_rate": 1e-3},
    "adapter": {"name": "lokr@acestep-core", "factor": -1},
    "sampler": {"name": "uniform@acestep-core"},
    "model": {"variant": "turbo", "hash": "aaa"},
    "data": {"songs": ["one", "two"]},
    "plugins": {"lokr": "acestep-core 1.0.0"},
    "backend": {"name": "pt"},
}


def write_run(
    folder: Path,
    steps: int = 20,
    *,
    finished: bool = True,
    loss: Callable[[int, float], float] = lambda step, t: 1.0,
    t: Callable[[int], Sequence[float]] = lambda step: (0.25, 0.75),
    seconds: Callable[[int], float] = lambda step: 2.0 * step,
    grid: Sequence[tuple[int, float]] = ((0, 2.0), (20, 1.0)),
    **tables: dict[str, Any],
) -> Path:
    """A run with `steps` steps done; `loss(step, t)` of each item, `seconds(step)` when the step ended."""
    settings = {name: table | tables.get(name, {}) for name, table in SETTINGS.items()}
    run = Run.open(folder, settings, ())
    run.log({"event": "start", "step": 0, "trainable": 1, "notes": []})
    for step in range(1, steps + 1):
        losses = [loss(step, each) for each in t(step)]
        run.log({"event": "step", "step": step, "loss": sum(losses) / len(losses), "lr": 1e-3, "grad_norm": 1.0,
                 "t": list(t(step)), "losses": losses, "epoch": 1, "time": 1000.0 + seconds(step)})  # fmt: skip
    for step, value in grid if steps else ():
        if step <= steps:
            run.log({"event": "grid", "step": step, "loss": value})
    if finished:
        run.finish(lambda path: None)
    return folder
