"""What needs a person, one value after the other; and the tags of all captions."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePath
from typing import Any

import gradio as gr

from acestep_core.reviewing import as_text
from acestep_plugins.commands.ui.fields import fields_of
from acestep_plugins.commands.ui.form import Form
from acestep_plugins.commands.ui.shell import Shell
from acestep_plugins.commands.ui.tabs.dataset_song import corrected
from acestep_plugins.commands.ui.telling import grid, listed, told_lines

_MOST_TAGS = 60


def build(shell: Shell, dataset: Any, scan: Callable[[str, str], list[Any]]) -> None:
    """Draws both; `scan` begins one, for `Dataset.panel`."""
    with gr.Accordion(shell.words("review_title"), open=False):
        _queue(shell, dataset)
    with gr.Accordion(shell.words("tags_title"), open=False):
        _tags(shell, dataset, scan)


def _queue(shell: Shell, dataset: Any) -> None:
    words = shell.words
    with gr.Row():
        everything = gr.Checkbox(label=words("review_all"), elem_id="review-all")
        ask = gr.Button(words("review_ask"), elem_id="review-ask")
    told = gr.Markdown(elem_id="review-told")
    value = gr.Textbox("", label=words("review_value"), lines=3, max_lines=14, visible=False, elem_id="review-value")
    others = gr.Radio([], label=words("review_others"), visible=False)
    with gr.Row(visible=False) as buttons:
        accept = gr.Button(words("review_accept"), variant="primary", elem_id="review-accept", size="sm")
        give = gr.Button(words("review_set"), elem_id="review-set", size="sm")
        later = gr.Button(words("review_later"), elem_id="review-later", size="sm")
    queue = gr.State([])
    outputs = [queue, told, value, others, buttons]

    def shown(items: list[Mapping[str, Any]]) -> list[Any]:
        if not items:
            return [[], words("review_empty"), *[gr.update(visible=False)] * 3]
        item = items[0]
        name, left = PurePath(item["path"]).name, words("review_left", count=len(items))
        head = f"**{name} · {words.label(item['field'])}** ({left})"
        why = "\n".join(f"- {words.said(w)}" for w in item["why"])
        said = as_text(item["value"])
        choices = [as_text(v) for v in item["alternatives"]]
        return [items, f"{head}\n\n{why}", gr.update(value=said, visible=True),
                gr.update(choices=choices, value=None, visible=bool(choices)), gr.update(visible=True)]  # fmt: skip

    def asked(folder: str, txt: str, everything: bool) -> list[Any]:
        request = {"folder": folder.strip(), "txt": txt, "everything": everything}
        return shown(shell.work.finished("review", request)["items"])

    def decided(
        accepts: bool, known: Mapping[str, Any], items: list[Mapping[str, Any]], txt: str, value: str
    ) -> list[Any]:
        item = items[0]
        said = {"accept": [item["field"]]} if accepts else {item["field"]: value}
        seen = corrected(shell, known, {"song": item["path"], "txt": txt, **said})[:2]
        return [*seen, *shown(items[1:])]

    shell.when(ask.click, asked, [dataset.source, dataset.txt, everything], outputs)
    for button, accepts in ((accept, True), (give, False)):
        shell.when(button.click, partial(decided, accepts), [dataset.corrected, queue, dataset.txt, value],
                   [dataset.corrected, dataset.read, *outputs])  # fmt: skip
    shell.when(later.click, lambda items: shown([*items[1:], *items[:1]]), [queue], outputs)
    shell.when(others.input, lambda v: v, [others], [value])


def _tags(shell: Shell, dataset: Any, scan: Callable[[str, str], list[Any]]) -> None:
    words = shell.words
    form = Form(words, "tags-")
    form.add(fields_of(shell.work.kinds["tags"], "tags", ("folder", "txt", "dry_run")))
    with gr.Row():
        look = gr.Button(words("tags_look"), elem_id="tags-look")
        write = gr.Button(words("tags_write"), variant="primary", elem_id="tags-write")
    told = gr.HTML(elem_id="tags-told")

    def asked(dry_run: bool, folder: str, txt: str, *values: Any) -> Mapping[str, Any]:
        request = {**form.request(values), "folder": folder.strip(), "txt": txt, "dry_run": dry_run}
        return shell.work.finished("tags", request)

    def written(folder: str, txt: str, *values: Any) -> list[Any]:
        found = asked(False, folder, txt, *values)
        return [_changed(shell, found), *(scan(folder, txt) if found["changed"] else [gr.skip()] * len(scanning))]

    inputs, scanning = [dataset.source, dataset.txt, *form.inputs], dataset.panel.outputs
    shell.when(look.click, lambda *values: _changed(shell, asked(True, *values)), inputs, [told])
    shell.when(write.click, written, inputs, [told, *scanning])


def _changed(shell: Shell, found: Mapping[str, Any]) -> str:
    words = shell.words
    rows = [(c["song"], c["before"], c["after"]) for c in found["changed"]]
    edits = grid([words("column_song"), words("tags_before"), words("tags_after")], rows) if rows else ""
    lines = told_lines(found, words, "notes")
    counts = ", ".join(f"{tag} {count}" for tag, count in found["counts"][:_MOST_TAGS])
    notes = listed(words("note"), lines) if lines else ""
    return edits + notes + listed(words("tags_counts"), [counts])
