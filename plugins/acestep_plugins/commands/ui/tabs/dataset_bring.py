"""The corner of the dataset's tab where songs of this computer are sent to a folder of the server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.listening import CONTAINERS
from acestep_plugins.commands.serve.uploads import TEXTS
from acestep_plugins.commands.ui.panel import Panel, job_panel, started
from acestep_plugins.commands.ui.shell import Shell
from acestep_plugins.commands.ui.telling import listed, told_lines
from acestep_plugins.commands.ui.work import Job, first_done

KIND = "add_songs"
_HEIGHT = 240  # pixels, in which a longer list is scrolled


def build(shell: Shell) -> Panel:
    """Draws it. What cannot be sent is told, and the rest is put into the folder."""
    words = shell.words
    with gr.Accordion(words("bring_title"), open=False):
        files = gr.File(file_count="multiple", file_types=[*CONTAINERS, *TEXTS], label=words("bring_files"),
                        height=_HEIGHT, elem_id="bring-songs")  # fmt: skip
        gr.Markdown(words("bring_files_help"))
        folder = gr.Textbox("songs", label=words.label("folder"), info=words("source_help"), elem_id="bring-folder")
        start = gr.Button(words("bring"), variant="primary", elem_id="bring-start")
        refused, told = gr.HTML(elem_id="bring-refused"), gr.HTML(elem_id="bring-told")
        panel = job_panel(shell, [KIND], "bring", lambda jobs: [_told(shell, jobs)], [told])

    def begin(paths: list[str] | None, folder: str) -> list[Any]:
        names, problems = _sent(shell, [Path(p) for p in paths or ()])
        shown = listed(words("problem"), problems) if problems else ""
        if not names and problems:
            return [shown] + [gr.skip()] * len(panel.outputs)
        return [shown, *started([shell.work.start(KIND, {"files": names, "folder": folder.strip()})], words)]

    shell.when(start.click, begin, [files, folder], [refused, *panel.outputs])
    return panel


def _sent(shell: Shell, paths: Sequence[Path]) -> tuple[list[str], list[str]]:
    """What requests call those that are on the server now, and a line for each that is not taken."""
    names, problems = list[str](), list[str]()
    for path in paths:
        try:
            names.append(shell.work.upload(path))
        except UserError as e:
            problems.append(f"{path.name}: {shell.words.said(str(e))}")
    return names, problems


def _told(shell: Shell, jobs: Sequence[Job]) -> Any:
    done = first_done(jobs)
    if done is None:
        return gr.skip()
    found = done["result"]
    counts = {n: len(found[n]) for n in ("added", "kept")}
    return listed(shell.words("brought", folder=found["folder"], **counts), told_lines(found, shell.words))
