"""What processes must have in common before they train together: a backend that can, settings, songs and folder."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acestep_core.api import Backend
from acestep_core.errors import UserError
from acestep_core.processes import Processes
from acestep_core.run import SETTINGS, differing
from acestep_core.train_plan import TrainPlan


def check(processes: Processes, backend: Backend, plan: TrainPlan) -> list[str]:
    """Raises `UserError` if the backend trains in one process only; notes on processes without work."""
    if processes.count == 1:
        return []
    if not backend.several_processes:
        problem = f"The backend '{backend.name}' trains in one process, and there are {processes.count}"
        raise UserError(problem, "start it without torchrun, or use --backend pt")
    batches = math.ceil(len(plan.songs.order) / plan.settings.batch_size)
    if batches >= processes.count:
        return []
    return [f"An epoch has {batches} batches, so {processes.count - batches} of {processes.count} processes do nothing"]


def check_same(processes: Processes, record: Mapping[str, Any], tables: tuple[str, ...]) -> None:
    """Raises `UserError` if a process has other songs, another model or other versions than the first."""
    records = processes.all(lambda: {name: record[name] for name in tables})
    lines = [
        f"process {rank}: {line}" for rank, other in enumerate(records) for line in differing(records[0], other, tables)
    ]
    if lines:
        said = "\n  ".join(line.replace(": there ", ": in the first process ") for line in lines)
        raise UserError(f"The processes would not train the same:\n  {said}", "give all machines the same files")


def check_shared(processes: Processes, folder: Path) -> None:
    """Raises `UserError` if a process does not see the run folder in which the first one writes."""
    texts = processes.all(lambda: _text(folder / SETTINGS))
    blind = [str(rank) for rank, text in enumerate(texts) if text != texts[0]]
    if blind:
        raise UserError(f"Process {', '.join(blind)} does not see the run in {folder}", "give an --out that all share")


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
