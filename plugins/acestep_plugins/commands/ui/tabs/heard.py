"""Adapters that every clip hears: several, each with a strength, on or off."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.shell import HIDDEN, Shell

MOST = 6


def build(shell: Shell, opened: Any) -> None:
    """Draws the part of the tab of models. What is heard lives in the server, which is asked when the tab is opened."""
    words = shell.words
    gr.Markdown(f"### {words('adapters')}")
    none = gr.Markdown(words("no_adapters"))
    rows = [_row(shell, n) for n in range(MOST)]
    with gr.Row(elem_classes="fields"):
        path = gr.Textbox("", label=words.label("path"), info=words("adapter_help"), elem_id="adapters-path")
        scale = gr.Slider(-2, 2, 1, step=0.05, label=words.label("scale"), elem_id="adapters-scale", buttons=[])
        add = gr.Button(words("adapter_add"), elem_id="adapters-add")
    known = gr.State([])
    outputs = [known, none, *(c for row in rows for c in row)]

    def shown(told: Sequence[Mapping[str, Any]]) -> list[Any]:
        updates: list[Any] = [list(told), gr.update(visible=not told)]
        for n in range(MOST):
            updates += _shown(told[n]) if n < len(told) else [gr.update(visible=False)] + [gr.skip()] * 4
        return updates

    def change(place: int, now: list[Any], **how: Any) -> list[Any]:
        if place >= len(now) or all(now[place].get(n) == v for n, v in how.items()):
            return [gr.skip()] * len(outputs)
        return shown(shell.work.adapter("change", path=now[place]["path"], **how))

    def remove(place: int, now: list[Any]) -> list[Any]:
        return shown(shell.work.adapter("remove", path=now[place]["path"]))

    def added(path: str, scale: float) -> list[Any]:
        return [*shown(shell.work.adapter("", path=path.strip(), scale=scale)), ""]

    shell.when(add.click, added, [path, scale], [*outputs, path])
    shell.on_load(lambda: shown(shell.work.adapters()), outputs)
    shell.when(opened, lambda: shown(shell.work.adapters()), [], outputs, **HIDDEN)
    for n, (_, _, strength, on, gone) in enumerate(rows):
        shell.when(strength.release, lambda v, now, n=n: change(n, now, scale=v), [strength, known], outputs)
        shell.when(on.input, lambda v, now, n=n: change(n, now, on=v), [on, known], outputs)
        shell.when(gone.click, lambda now, n=n: remove(n, now), [known], outputs)


def _row(shell: Shell, place: int) -> tuple[Any, ...]:
    words = shell.words
    with gr.Row(visible=False, elem_classes="slot", equal_height=True) as row:
        name = gr.Markdown(elem_id=f"adapters-name-{place}")
        scale = gr.Slider(-2, 2, 1, step=0.05, label=words.label("scale"), buttons=[], scale=2,
                          elem_id=f"adapters-scale-{place}")  # fmt: skip
        on = gr.Checkbox(label=words("on"), min_width=80, elem_id=f"adapters-on-{place}")
        gone = gr.Button(words("remove"), size="sm", min_width=80, elem_id=f"adapters-remove-{place}")
    return row, name, scale, on, gone


def _shown(adapter: Mapping[str, Any]) -> list[Any]:
    path = PurePath(adapter["path"])
    name = "/".join(path.parts[-2:])
    title = f"**{name}** · {adapter.get('kind', '')}"
    return [gr.update(visible=True), title, adapter["scale"], adapter["on"], gr.skip()]
