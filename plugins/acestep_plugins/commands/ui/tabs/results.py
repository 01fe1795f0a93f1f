"""The tab of results: players of a batch, what can be done with each clip, and all batches there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.clips import (
    ALIGN,
    ASKED,
    MOST,
    Made,
    batches,
    clips_of,
    facts_of,
    row_of,
    scored,
    scores_text,
    sound,
    subtitles,
    timed,
    title_of,
)
from acestep_plugins.commands.ui.fields import fields_of
from acestep_plugins.commands.ui.form import Form
from acestep_plugins.commands.ui.panel import Panel, job_panel
from acestep_plugins.commands.ui.shell import HIDDEN, Shell

_ACTIONS = ("remix", "repaint_this", "apply", "score", "lrc")
_TIMING = ("heads", "t", "noise_seed", "merge_s")


@dataclass
class Slot:
    """A place for one clip."""

    box: Any
    title: Any
    player: Any
    buttons: dict[str, Any]
    save: Any
    save_lrc: Any
    told: Any
    facts: Any
    codes: Any

    @property
    def outputs(self) -> list[Any]:
        return [self.box, self.title, self.player, self.save, self.save_lrc, self.told, self.facts, self.codes]


@dataclass
class Results:
    """The tab's controls that others use."""

    slots: list[Slot]
    timing: Form
    """How clips are looked at to be timed and scored."""
    jobs: Any
    """Those that made the batch that is shown: their ids, with spaces between."""
    asked: Panel
    """Of scores and times of clips."""
    empty: Any
    place: Any
    older: Any
    newer: Any
    search: Any
    history: Any

    @property
    def outputs(self) -> list[Any]:
        """See `shown`."""
        return [self.jobs, self.empty, self.place, *(o for s in self.slots for o in s.outputs)]


def build(shell: Shell) -> Results:
    """Draws the tab."""
    words = shell.words
    with gr.Row(equal_height=True):
        older = gr.Button(words("older"), size="sm", elem_id="results-older", min_width=90)
        place = gr.Markdown(elem_id="results-where")
        newer = gr.Button(words("newer"), size="sm", elem_id="results-newer", min_width=90)
    asked = job_panel(shell, list(ASKED), "asked")
    empty = gr.Markdown(words("no_results"))
    slots = []
    for first in range(0, MOST, 2):
        with gr.Row():
            slots += [_slot(shell, first + n) for n in range(2)]
    timing = Form(words, "results-")
    with gr.Accordion(words("timing"), open=False):
        timing.add(fields_of(shell.work.kinds[ALIGN], ALIGN), _TIMING)
    with gr.Accordion(words("history"), open=False):
        search = gr.Textbox("", label=words("search"), elem_id="results-search")
        headers = [words(f"history_{n}") for n in ("when", "task", "caption", "seeds", "job")]
        history = gr.Dataframe(headers=headers, interactive=False, elem_id="results-history", wrap=True,
                               column_count=len(headers), show_row_numbers=False, buttons=[])  # fmt: skip
    results = Results(slots, timing, shell.text(), asked, empty, place, older, newer, search, history)
    _connect(shell, results)
    return results


def _slot(shell: Shell, place: int) -> Slot:
    words = shell.words
    with gr.Column(visible=False, min_width=320, elem_classes="slot") as box:
        title = gr.Markdown()
        player = gr.Audio(interactive=False, type="filepath", show_label=False, elem_id=f"results-player-{place}",
                          editable=False, buttons=["download"])  # fmt: skip
        with gr.Row(elem_classes="chips"):
            buttons = {n: gr.Button(words(n), size="sm", elem_id=f"results-{n}-{place}", min_width=60)
                       for n in _ACTIONS}  # fmt: skip
            save = gr.DownloadButton(words("save"), size="sm", elem_id=f"results-save-{place}", min_width=60)
            save_lrc = gr.DownloadButton(words("save_lrc"), size="sm", elem_id=f"results-save_lrc-{place}",
                                         min_width=60, visible=False)  # fmt: skip
        told = gr.Markdown()
        with gr.Accordion(words("details"), open=False):
            facts = gr.HTML()
            codes = gr.Textbox(label=words.label("codes"), lines=2, max_lines=4, interactive=False, buttons=["copy"])
    return Slot(box, title, player, buttons, save, save_lrc, told, facts, codes)


def shown(shell: Shell, results: Results, ids: Sequence[str]) -> list[Any]:
    """A batch, in all its slots."""
    made = clips_of(shell.work, ids)
    slots = [_filled(shell, i, made[i]) if i < len(made) else _blank() for i in range(len(results.slots))]
    return [" ".join(ids), gr.update(visible=not made), where(shell, ids), *(u for s in slots for u in s)]


def where(shell: Shell, ids: Sequence[str]) -> str:
    """Which batch is shown, of how many."""
    known = [str(j["id"]) for j in batches(shell.work)]
    place = known.index(ids[0]) + 1 if ids and ids[0] in known else 0
    return shell.words("batch_of", place=place, count=len(known)) if place else ""


def _filled(shell: Shell, place: int, made: Made) -> list[Any]:
    words, path = shell.words, str(sound(shell.work, made))
    lines, *told = heard_of(shell, made)
    codes = str((made.clip["request"].get("task") or {}).get("codes", ""))
    facts = [facts_of(made, words), gr.update(value=codes, visible=bool(codes))]
    return [gr.update(visible=True), f"**{title_of(made, place + 1, words)}**", gr.Audio(value=path, subtitles=lines),
            gr.update(value=path), *told, *facts]  # fmt: skip


def heard_of(shell: Shell, made: Made) -> tuple[list[dict[str, Any]] | None, Any, str]:
    """What is known of a clip by listening: lines for its player, the button that saves them, and scores and times."""
    lrc, scores = timed(shell.work, made), scored(shell.work, made)
    lines = [] if lrc is None else subtitles(made, lrc)
    told = [scores_text(scores, shell.words)] if scores else []
    told += ["  \n".join(f"`{line['timestamp'][0]:6.2f}` {line['text']}" for line in lines)] if lines else []
    return lines or None, _lrc_button(lrc), "\n\n".join(told)


def _lrc_button(lrc: Path | None) -> Any:
    """The button that saves the lines with their times, where these are known."""
    return gr.update(visible=False) if lrc is None else gr.update(value=str(lrc), visible=True)


def _blank() -> list[Any]:
    return [gr.update(visible=False), "", None, gr.skip(), _lrc_button(None), "", "", gr.skip()]


def _connect(shell: Shell, results: Results) -> None:
    work = shell.work

    def step(by: int) -> Callable[[str], list[Any]]:
        def go(ids: str) -> list[Any]:
            known = [str(j["id"]) for j in batches(work)]
            if not known:
                return [gr.skip()] * len(results.outputs)
            first = ids.partition(" ")[0]
            now = known.index(first) if first in known else 0
            return shown(shell, results, [known[max(0, min(len(known) - 1, now + by))]])

        return go

    def found(search: str) -> list[list[str]]:
        return [row_of(j) for j in batches(work, search)]

    def chosen(event: gr.SelectData) -> list[Any]:
        return shown(shell, results, [str(event.row_value[-1])])

    def newest() -> list[Any]:
        return shown(shell, results, [str(j["id"]) for j in batches(work, most=1)])

    shell.when(results.older.click, step(1), [results.jobs], results.outputs)
    shell.when(results.newer.click, step(-1), [results.jobs], results.outputs)
    shell.when(results.search.change, found, [results.search], [results.history], **HIDDEN)
    shell.when(results.history.select, chosen, [], results.outputs)
    shell.when(results.jobs.change, found, [results.search], [results.history], **HIDDEN)
    shell.on_load(newest, results.outputs)
    shell.on_load(lambda: found(""), [results.history])
