"""The tab of the dataset: songs and what is wrong with them, one song after the other, and what is done with all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

import gradio as gr

from acestep_core.console import clock
from acestep_plugins.commands.ui.panel import Panel, job_panel, started
from acestep_plugins.commands.ui.shell import HIDDEN, Shell
from acestep_plugins.commands.ui.tabs import dataset_bring, dataset_review, dataset_song
from acestep_plugins.commands.ui.tabs.dataset_row import COLUMNS, row_of
from acestep_plugins.commands.ui.tabs.kind_box import KindBox, kind_box
from acestep_plugins.commands.ui.telling import listed, problem_line, told_lines
from acestep_plugins.commands.ui.words import Words
from acestep_plugins.commands.ui.work import Job, first_done, result_of

_ASKED = ("transcribe", "annotate")


@dataclass
class Dataset:
    """The tab's controls that others use."""

    source: Any
    txt: Any
    table: Any
    songs: Any
    """As the newest scan found them."""
    corrected: Any
    """Those that a person corrected in this window, by path."""
    read: Any
    """Changes with either of them."""
    panel: Panel
    boxes: dict[str, KindBox]


def build(shell: Shell) -> Dataset:
    """Draws the tab."""
    words = shell.words
    brought = dataset_bring.build(shell)
    with gr.Row(elem_classes="fields"):
        source = gr.Textbox("", label=words("source"), info=words("source_help"), elem_id="dataset-source",
                            elem_classes="long")  # fmt: skip
        txt = gr.Dropdown([(words.value(v), v) for v in ("lyrics", "caption", "fields", "ignore")], value="lyrics",
                          label=words.label("txt"), info=words.help("txt", ""), elem_id="dataset-txt")  # fmt: skip
        deep = gr.Checkbox(label=words.label("deep"), info=words.help("deep", words("deep_help")),
                           elem_id="dataset-deep")  # fmt: skip
    scan = gr.Button(words("scan"), variant="primary", elem_id="dataset-scan")
    panel = job_panel(shell, ["scan"], "dataset")
    songs, corrected, told = gr.State([]), gr.State({}), gr.HTML(elem_id="dataset-told")
    table = gr.Dataframe(headers=[words(f"column_{c}") for c in COLUMNS], interactive=False, wrap=False, max_height=420,
                         elem_id="dataset-table", column_count=len(COLUMNS), max_chars=60, show_search="filter",
                         buttons=[])  # fmt: skip

    def begin(source: str, txt: str, deep: bool = False) -> list[Any]:
        asked = {"source": source.strip(), **({} if txt == "lyrics" else {"txt": txt}), "deep": deep}
        return started([shell.work.start("scan", asked)], words)

    dataset = Dataset(source, txt, table, songs, corrected, shell.text(), panel, {})
    dataset_song.build(shell, dataset)
    _asking(shell, dataset)
    dataset_review.build(shell, dataset, begin)
    _writing(shell, dataset)

    def arrived(ids: str, txt: str) -> list[Any]:
        job = first_done(map(shell.work.job, ids.split()))
        if job is None:
            return [gr.skip()] * (1 + len(panel.outputs))
        folder = job["request"]["folder"]
        return [folder, *begin(folder, txt)]

    def scanned(ids: str) -> list[Any]:
        job = first_done(map(shell.work.job, ids.split()))
        return [gr.skip()] * 3 if job is None else seen(job, words)

    def newest() -> list[Any]:
        jobs = shell.work.jobs(kind="scan", state="done", limit=1)
        return [*seen(jobs[0], words), jobs[0]["request"]["source"]] if jobs else [gr.skip()] * 4

    outputs = [songs, told, dataset.read]
    shell.when(scan.click, begin, [source, txt, deep], panel.outputs)
    shell.when(brought.ended.change, arrived, [brought.ended, txt], [source, *panel.outputs])
    shell.when(panel.ended.change, scanned, [panel.ended], outputs, **HIDDEN)
    shell.when(dataset.read.change, partial(drawn, words), [songs, corrected], [table],
               trigger_mode="always_last", **HIDDEN)  # fmt: skip
    shell.on_load(newest, [*outputs, source])
    for kind in _ASKED:  # what they have found is seen at once
        shell.when(dataset.boxes[kind].panel.ended.change, begin, [source, txt], panel.outputs)
    return dataset


def seen(job: Job, words: Words) -> list[Any]:
    """The songs of a scan, and what is said of all of them."""
    found = result_of(job)
    lines = [*(problem_line(p, words) for p in found["problems"]), *map(words.said, found["notes"])]
    usable = [s for s in found["songs"] if not s["problems"]]
    total = words("usable", good=len(usable), all=len(found["songs"]),
                  length=clock(sum(s["duration_s"] for s in usable)))  # fmt: skip
    return [[{**s, "read_at": job["started_at"]} for s in found["songs"]], listed(total, lines),
            f"scan {job['id']}"]  # fmt: skip


def drawn(words: Words, songs: Sequence[Mapping[str, Any]], corrected: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """The table: each song as it was read last, for it may be corrected while a scan is on its way."""
    return [row_of(max(s, corrected.get(s["path"], s), key=itemgetter("read_at")), words) for s in songs]


def _asking(shell: Shell, dataset: Dataset) -> None:
    """Lyrics and labels that plugins find."""
    words, shared = shell.words, {"folder": dataset.source, "txt": dataset.txt}
    with gr.Accordion(words("transcribe_title"), open=False):
        dataset.boxes["transcribe"] = kind_box(
            shell, "transcribe", "transcribe", shared=shared, plugins={"transcriber": "transcribers"},
            first=("transcriber", "language", "add_tags"), also=_told(shell),
        )  # fmt: skip
    with gr.Accordion(words("annotate_title"), open=False):
        dataset.boxes["annotate"] = kind_box(
            shell, "annotate", "annotate", shared=shared, plugins={"annotator": "annotators"},
            first=("annotators", "fields"), also=_told(shell),
        )  # fmt: skip


def _told(shell: Shell) -> tuple[Any, list[Any]]:
    """What came of asking: how many fields are filled, and which songs failed."""
    shown = gr.HTML()

    def tell(jobs: Sequence[Job]) -> list[Any]:
        done = first_done(jobs)
        return [asked_told(done["result"], shell.words) if done else gr.skip()]

    return tell, [shown]


def asked_told(found: Mapping[str, Any], words: Words) -> str:
    filled = sum(map(len, found["filled"].values()))
    head = words("filled", songs=len(found["filled"]), fields=filled, kept=len(found["kept"]))
    return listed(head, told_lines(found, words, "notes"))


def _writing(shell: Shell, dataset: Dataset) -> None:
    """The dataset's file, and training data."""
    words = shell.words
    with gr.Accordion(words("save_title"), open=False):
        dataset.boxes["save_dataset"] = kind_box(
            shell, "save_dataset", "save", shared={"source": dataset.source}, also=_saved(shell),
            first=("out", "name", "custom_tag", "tag_position", "genre_ratio", "all_instrumental", "validation"),
            leave=("txt",),
        )  # fmt: skip
    with gr.Accordion(words("encode_title"), open=False):
        dataset.boxes["encode"] = kind_box(
            shell, "encode", "encode", shared={"source": dataset.source}, also=_encoded(shell),
            first=("out", "format", "seed", "min_seconds", "max_seconds"),
            leave=("txt", "kohya", "model", "variant", "backend", "lm", "lm_backend"),
        )  # fmt: skip


def _saved(shell: Shell) -> tuple[Any, list[Any]]:
    shown = gr.Markdown(elem_id="dataset-saved")

    def tell(jobs: Sequence[Job]) -> list[Any]:
        done = first_done(jobs)
        if done is None:
            return [gr.skip()]
        return [shell.words("saved", **{n: done["result"][n] for n in ("out", "songs", "held_out", "left_out")})]

    return tell, [shown]


def _encoded(shell: Shell) -> tuple[Any, list[Any]]:
    shown = gr.HTML(elem_id="dataset-encoded")

    def tell(jobs: Sequence[Job]) -> list[Any]:
        done = first_done(jobs)
        if done is None:
            return [gr.skip()]
        found = done["result"]
        head = shell.words("encoded", out=found["out"], songs=len(found["encoded"]), kept=len(found["kept"]))
        return [listed(head, told_lines(found, shell.words, "warnings"))]

    return tell, [shown]
