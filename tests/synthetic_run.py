"""Run folders with chosen numbers, made without a model."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from acestep_core.clip import adapter_hash
from acestep_core.deltas import FILE
from acestep_core.run import Run
from acestep_core.samples.stored import folder_of

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


def write_samples(run: Path, samples: Mapping[int, Mapping[int, Any]], **request: Any) -> None:
    """By number and step (0 = the model alone) short sounds, each with the difference from the model alone."""
    for number, steps in samples.items():
        for step, apart in steps.items():
            path = folder_of(run, step) / f"{number:02d}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            tone = 0.1 * np.sin(np.arange(4800) * 0.05 * (1 + step))
            soundfile.write(path, np.stack([tone, tone], axis=1), 48_000)
            asked = {"caption": f"prompt {number}", "seed": number, "lyrics": "", **request}
            about = {"request": asked, "sample": {"step": step, "difference_db": apart}}
            path.with_name(f"{path.name}.json").write_text(json.dumps(about), encoding="utf-8")


def write_changes(run: Path, layers: Mapping[str, tuple[float, float]]) -> None:
    """Norms of (weight, change) by layer, as measured of the adapter that is there."""
    told = {name: {"weight": weight, "change": change} for name, (weight, change) in layers.items()}
    (run / FILE).write_text(json.dumps({"adapter": adapter_hash(run / "adapter"), "layers": told}), encoding="utf-8")
