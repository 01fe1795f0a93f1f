"""Work on its way: progress, how long it still takes, a button that stops it; found again when the page is reloaded."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from acestep_core.console import clock
from acestep_core.errors import UserError
from acestep_plugins.commands.ui.shell import HIDDEN, Shell
from acestep_plugins.commands.ui.words import Words
from acestep_plugins.commands.ui.work import UNFINISHED, Job

_EVERY_S = 1.0


@dataclass
class Panel:
    """The controls of one place where work is shown."""

    jobs: Any
    shown: Any
    stop: Any
    timer: Any
    ended: Any
    """Changes when the work is over: the ids of the jobs, with spaces between."""

    @property
    def outputs(self) -> list[Any]:
        """Of whatever starts work here; see `started`."""
        return [self.jobs, self.shown, self.stop, self.timer]


def started(jobs: Sequence[str], words: Words) -> list[Any]:
    """For `Panel.outputs`, after jobs were begun."""
    return [list(jobs), bar(words("waiting"), None), gr.update(visible=True), gr.Timer(active=True)]


def job_panel(
    shell: Shell, kinds: Sequence[str], name: str, also: Callable[[list[Job]], list[Any]] = lambda jobs: [],
    also_outputs: Sequence[Any] = (),
) -> Panel:  # fmt: skip
    """The panel of jobs of some kinds; those that are unfinished when the page is opened are taken up.

    `also` gives updates of other controls each time that the jobs are looked at.
    """
    words = shell.words
    shown = gr.HTML("", elem_id=f"{name}-progress")
    with gr.Row():
        stop = gr.Button(words("cancel"), variant="stop", visible=False, elem_id=f"{name}-cancel", size="sm")
    jobs, ended = gr.State([]), shell.text()
    timer = gr.Timer(_EVERY_S, active=False)
    panel = Panel(jobs, shown, stop, timer, ended)
    outputs = [shown, stop, timer, ended, *also_outputs]

    def look(ids: list[str], before: str) -> list[Any]:
        try:
            found = [shell.work.job(i) for i in ids]
        except UserError as e:
            return [_failed(words.said(str(e)))] + [gr.skip()] * (len(outputs) - 1)
        return [*_looked(shell, ids, before, found), *also(found)]

    def goes_on(ids: list[str]) -> list[Any]:
        """New work may have begun while it was told that the old is over."""
        on = _on_its_way(map(shell.work.job, ids))
        return [gr.update(visible=True), gr.Timer(active=True)] if on else [gr.skip(), gr.skip()]

    def stopped(ids: list[str]) -> list[Any]:
        """What stops at once may be told to be over before this is drawn, and is looked at once more then."""
        shell.work.cancel(ids)
        return [bar(words("cancelling"), None), gr.Timer(active=True)]

    shell.when(timer.tick, look, [jobs, ended], outputs, **HIDDEN)
    shell.when(ended.change, goes_on, [jobs], [stop, timer], **HIDDEN)
    shell.when(stop.click, stopped, [jobs], [shown, timer])
    shell.panels.append((kinds, panel.outputs, _folds(shown)))
    return panel


def _looked(shell: Shell, ids: list[str], before: str, jobs: list[Job]) -> list[Any]:
    if _on_its_way(jobs):
        return [progress(jobs, shell.words), gr.skip(), gr.skip(), gr.skip()]
    over = [gr.update(visible=False), gr.Timer(active=False)]
    return [outcome(jobs, shell.words), *over, gr.skip() if before.split() == ids else " ".join(ids)]


def _on_its_way(jobs: Iterable[Job]) -> bool:
    return any(j["state"] in UNFINISHED for j in jobs)


def _folds(control: Any) -> list[Any]:
    """The accordions that a control is in, which hide it while they are closed."""
    around = control.parent
    outer = [] if around is None else _folds(around)
    return [around, *outer] if isinstance(around, gr.Accordion) else outer


def take_up(shell: Shell) -> None:
    """Have all panels show on opening the work that is on its way already, in accordions that are open then."""
    folds = list(dict.fromkeys(fold for _, _, around in shell.panels for fold in around))

    def taken_up() -> list[Any]:
        jobs, updates, seen = shell.work.unfinished(), list[Any](), list[Any]()
        for kinds, outputs, around in shell.panels:
            ids = [str(j["id"]) for j in jobs if j["kind"] in kinds]
            updates += started(ids, shell.words) if ids else [gr.skip()] * len(outputs)
            seen += around if ids else []
        return updates + [gr.update(open=True) if fold in seen else gr.skip() for fold in folds]

    shell.on_load(taken_up, [*(o for _, outputs, _ in shell.panels for o in outputs), *folds])


def progress(jobs: Sequence[Job], words: Words) -> str:
    """How far they are together, and how long they still take."""
    running = [j for j in jobs if j["state"] in UNFINISHED]
    now = next((j for j in running if j["state"] == "running"), running[0])
    told = now.get("progress") or {}
    if now["state"] == "queued":
        return bar(words("queued", ahead=now.get("ahead", 0)), None)
    done, total = told.get("done"), told.get("total")
    what = words.stage(told.get("stage") or now["kind"])
    several = f"{len(jobs) - len(running) + 1}/{len(jobs)} · " if len(jobs) > 1 else ""
    if not total:
        return bar(several + what, None)
    share = min(1.0, (done or 0) / total)
    left = _left(now, told, share)
    counted = f"{done}/{total}" if total < 10_000 else f"{share:.0%}"
    lasts = "" if left is None else f" · {words('left', time=clock(left))}"
    return bar(f"{several}{what} {counted}{lasts}", share)


def _left(job: Job, told: Any, share: float) -> float | None:
    if told.get("left_s") is not None:
        return float(told["left_s"])
    began = job.get("started_at")
    return (time.time() - began) * (1 - share) / share if began and 0 < share < 1 else None


def outcome(jobs: Sequence[Job], words: Words) -> str:
    """How they ended; nothing to say of those that are done."""
    for job in jobs:
        if job["state"] == "failed":
            error = UserError.from_plain(job["error"])
            return _failed("\n".join(words.said(text) for text in (error.problem, error.hint) if text))
    return bar(words("cancelled"), 0.0) if any(j["state"] == "cancelled" for j in jobs) else ""


def _failed(text: str) -> str:
    return f'<div class="progress" role="alert"><div class="failed">{escape(text)}</div></div>'


def bar(text: str, share: float | None) -> str:
    """A line of text and a bar, whose length may be unknown."""
    unknown = " unknown" if share is None else ""
    width = "" if share is None else f' style="width:{share:.1%}"'
    return (f'<div class="progress" role="status"><div>{escape(text)}</div>'
            f'<div class="bar{unknown}"><div{width}></div></div></div>')  # fmt: skip
