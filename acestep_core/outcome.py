"""What came of a training, as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acestep_core.comparison import memory_of
from acestep_core.report.diagnosis import Finding
from acestep_core.training import TrainResult


def outcome(result: TrainResult, findings: Sequence[Finding], report: Path | None) -> dict[str, Any]:
    """`findings` are what the diagnosis says, `report` is the page that was written, if one was."""
    records = list(result.run.metrics())
    best = result.run.best()
    return {
        "run": str(result.run.folder),
        "step": result.step,
        "steps": result.steps,
        "stopped": result.stopped,
        "resumed_from": result.resumed_from,
        "adapter": result.adapter and str(result.adapter),
        "grid_loss": [r["loss"] for r in records if r["event"] == "grid"],
        "memory": asdict(memory_of(records)),
        "validation_base": result.run.base(),
        "validation": result.run.validations(),
        "best_step": best and best[0],
        "findings": [asdict(f) for f in findings],
        "report": report and str(report),
    }
