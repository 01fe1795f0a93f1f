"""Progress of a training: a live bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from typing import Any

from acestep_core import Extension, hookimpl, option
from acestep_core.console import clock


class Progress(Extension):
    """Shows step, loss, rate and the time left on stderr while a run trains."""

    name = "progress"

    every_s: float = option(5.0, "least time in seconds between two plain lines", ge=0)
    plain: bool = option(False, "plain lines on a terminal too")

    def __post_init__(self) -> None:
        self._display: Any = None

    @hookimpl
    def acestep_train_start(self, run: Any) -> None:
        self.close()
        total = run.settings()["train"]["steps"]
        done = max((step for step, _ in run.checkpoints()), default=0)
        live = sys.stderr.isatty() and not self.plain
        self._display = _Bar(total, done) if live else _Lines(total, self.every_s)

    @hookimpl
    def acestep_train_step(self, step: int, loss: float, lr: float, d: float | None) -> None:
        self._display.update(step, loss, lr if d is None else d * lr)

    @hookimpl
    def acestep_train_end(self) -> None:
        self.close()

    def close(self) -> None:
        display, self._display = self._display, None
        if display is not None:
            display.end()


class _Lines:
    """A line for the first step, the last one, and now and then between them."""

    def __init__(self, total: int, every_s: float):
        self._total, self._every_s = total, every_s
        self._start, self._next, self._waiting = time.monotonic(), 0.0, ""
        self._first: tuple[int, float] | None = None

    def update(self, step: int, loss: float, lr: float) -> None:
        now = time.monotonic()
        times = f"{clock(now - self._start)} spent{self._left(step, now)}"
        self._waiting = f"step {step}/{self._total}  loss {loss:.4f}  rate {lr:.2e}  {times}"
        if step == self._total or now >= self._next:
            self.end()
            self._next = now + self._every_s

    def end(self) -> None:
        if self._waiting:
            print(self._waiting, file=sys.stderr, flush=True)
        self._waiting = ""

    def _left(self, step: int, now: float) -> str:
        """Told by the steps after the first, before which the model was loaded and looked at."""
        if self._first is None:
            self._first = (step, now)
            return ""
        first, then = self._first
        return f", {clock((now - then) / (step - first) * (self._total - step))} left"


class _Bar:
    """A bar that also moves while a step takes long."""

    def __init__(self, total: int, done: int):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Spent
        from rich.progress import TimeRemainingColumn as Left

        text = TextColumn("loss {task.fields[loss]}  rate {task.fields[rate]}")
        columns = (TextColumn("step"), MofNCompleteColumn(), BarColumn(), text, Spent(), TextColumn("spent,"), Left(),
                   TextColumn("left"))  # fmt: skip
        # What goes to stdout may be read by a machine, so it is not drawn above the bar on stderr. Steps of large
        # models take longer than the 30 s from which the speed is told by default.
        self._progress = Progress(*columns, console=Console(stderr=True), redirect_stdout=False, refresh_per_second=4,
                                  speed_estimate_period=600)  # fmt: skip
        self._task = self._progress.add_task("", total=total, completed=done, loss="-", rate="-")
        self._progress.start()

    def update(self, step: int, loss: float, lr: float) -> None:
        self._progress.update(self._task, completed=step, loss=f"{loss:.4f}", rate=f"{lr:.2e}")

    def end(self) -> None:
        self._progress.stop()


@hookimpl
def acestep_extensions():
    return [Progress]
