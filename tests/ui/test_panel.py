"""Work that is shown: what ends, and what has begun meanwhile."""

from typing import Any

import pytest
from pretended import Pretended

pytest.importorskip("gradio", reason="the extra 'ui' is not installed")

import gradio as gr

from acestep_plugins.commands.ui.panel import job_panel
from acestep_plugins.commands.ui.shell import Shell
from acestep_plugins.commands.ui.words import words
from acestep_plugins.commands.ui.work import Work


def asked(server: Pretended) -> dict[str, Any]:
    """What the events of a panel do, by name."""
    with gr.Blocks() as page:
        job_panel(Shell(Work(server), words("en")), ["scan"], "dataset")
    return {str(event.fn.__name__): event.fn for event in page.fns.values()}


def test_work_that_is_over_is_told_once():
    server = Pretended()
    does = asked(server)
    job = server.submit("scan", {})["id"]
    *_, stop, timer, ended, _ = does["look"]([job], "")
    assert (stop["visible"], timer.active, ended) == (False, False, job)
    assert does["look"]([job], job)[-2] == gr.skip()


def test_work_that_is_over_before_its_cancel_is_answered_is_told_to_be_over_after_it():
    server = Pretended()
    does = asked(server)
    job = server.submit("scan", {}) | {"state": "running"}
    server.told[job["id"]] = job
    shown, timer, _ = does["stopped"]([job["id"]])
    assert "Stopping" in shown and timer.active
    shown, stop, timer, *_ = does["look"]([job["id"]], job["id"])
    assert "Stopped" in shown and (stop["visible"], timer.active) == (False, False)


def test_work_that_begins_while_the_old_is_told_to_be_over_keeps_its_cancel():
    server = Pretended()
    does = asked(server)
    old, new = server.submit("scan", {}), server.submit("scan", {})
    assert does["goes_on"]([old["id"]]) == [gr.skip()] * 3
    new["state"] = "running"
    stop, timer, _ = does["goes_on"]([new["id"]])
    assert (stop["visible"], timer.active) == (True, True)
