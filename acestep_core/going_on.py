"""What is there already of a run that is to be trained: the step to go on after, a run to lengthen, or all of it."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from acestep_core import sharing
from acestep_core.api import TimestepSampler
from acestep_core.config import dump_toml
from acestep_core.errors import UserError
from acestep_core.processes import Processes
from acestep_core.run import SETTINGS, Run, differing
from acestep_core.train_settings import TrainSettings

# Tables of run.toml that must be equal for a run to be gone on with.
SAME = ("train", "adapter", "sampler", "model", "data")


def lengthened(run: Run, settings: TrainSettings, retry: bool) -> tuple[TrainSettings, bool]:
    """The settings for more steps of a run, whose warm-up stays as long as it was; and whether it has to be made so.

    With `retry` it may have been.
    """
    if not (run.folder / SETTINGS).is_file():
        raise UserError(f"{run.folder} holds no run to extend", "leave --extend out, or give the --out of a run")
    before = run.settings()["train"]
    if settings.steps < before["steps"] or (settings.steps == before["steps"] and not retry):
        raise UserError(f"The run in {run.folder} has {before['steps']} steps already", "give more --steps or --epochs")
    return replace(settings, warmup=before["warmup"]), settings.steps > before["steps"]


def ended(run: Run, record: Mapping[str, Any]) -> bool:
    """Whether this very run is finished."""
    if not (run.adapter.is_dir() and (run.folder / SETTINGS).is_file()):
        return False
    return not differing(run.settings(), tomllib.loads(dump_toml(record)), SAME)


def last_step(run: Run) -> int:
    return max((r["step"] for r in run.metrics() if r["event"] == "step"), default=0)


def opened(run: Run, record: Mapping[str, Any], longer: bool, sampler: TimestepSampler, together: Processes) -> int:
    """The step to go on after. Records after it are dropped, and the sampler hears again of those before."""
    sharing.check_same(together, record, (*SAME, "plugins", "versions"))

    def there() -> tuple[int, list[tuple[Any, Any]]]:
        Run.open(run.folder, record, SAME, longer=longer)
        checkpoints = run.checkpoints()
        step = checkpoints[-1][0] if checkpoints else 0
        run.forget_after(step if checkpoints else -1)
        return step, [(r["t"], r["losses"]) for r in run.metrics() if r["event"] == "step"]

    step, heard = together.first(there)
    for t, losses in heard:
        sampler.observe(t, losses)
    sharing.check_shared(together, run.folder)
    return step
