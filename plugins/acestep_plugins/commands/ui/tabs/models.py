"""The tab of models: which one is loaded and how, what it takes here, and the adapters that are heard."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from acestep_core.bundled import NAMES
from acestep_plugins.commands.ui.fields import fields_of
from acestep_plugins.commands.ui.form import Form
from acestep_plugins.commands.ui.panel import Panel, job_panel, started
from acestep_plugins.commands.ui.plugin_forms import plugin_options
from acestep_plugins.commands.ui.shell import HIDDEN, Shell
from acestep_plugins.commands.ui.telling import facts_table, flat, gigabytes, grid
from acestep_plugins.commands.ui.words import Words

_CHOICE = ("model", "variant", "backend", "lm", "lm_backend")
_PARTS = ("variant", "lm")


@dataclass
class Models:
    """The tab's controls that others use."""

    form: Form
    panel: Panel
    status: Any
    parts: Any


def build(shell: Shell, opened: Any) -> Models:
    """Draws the tab; `opened` is the event after which it is seen, when the model may have been loaded elsewhere."""
    words = shell.words
    status = gr.HTML(elem_id="models-status")
    form = _form(shell)
    with gr.Row():
        load = gr.Button(words("load"), variant="primary", elem_id="models-load")
        unload = gr.Button(words("unload"), elem_id="models-unload")
    panel = job_panel(shell, ["load", "unload"], "models")
    with gr.Accordion(words("plan"), open=False):
        _plan(shell, form)
    with gr.Accordion(words("parts"), open=False):
        parts = gr.HTML(elem_id="models-parts")
    models = Models(form, panel, status, parts)

    def begin(*values: Any) -> list[Any]:
        return started([shell.work.load(form.request(values))], words)

    shell.when(load.click, begin, form.inputs, panel.outputs)
    shell.when(unload.click, lambda: started([shell.work.start("unload", {})], words), [], panel.outputs)
    seen = partial(_seen, shell)
    outputs = [status, parts, *(form.controls[(n,)] for n in _PARTS)]
    shell.when([panel.ended.change, opened], seen, [], outputs, **HIDDEN)
    shell.on_load(seen, outputs)
    shell.on_load(lambda: form.shown(shell.work.models_now()["chosen"]), form.inputs)
    return models


def _form(shell: Shell) -> Form:
    words = shell.words
    form = Form(words, "models-")
    fields = fields_of(shell.work.kinds["load"], "load")
    fields["model"] = replace(fields["model"], offered=True, choices=tuple(NAMES))
    for name in _PARTS:  # any name that the server has; those known to the page are offered
        fields[name] = replace(fields[name], offered=True)
    form.add(fields, _CHOICE)
    # another folder has parts of its own: the names of those before mean nothing in it
    shell.emptied(form.controls[("model",)].input, [form.controls[(n,)] for n in _PARTS])
    with gr.Accordion(words("how_it_runs"), open=False):
        plugin_options(shell, form, {"backend": "backends", "lm_backend": "backends"})
    return form


def _seen(shell: Shell) -> list[Any]:
    """What is loaded, what there is, and the names that may be chosen."""
    words, told = shell.words, shell.work.models_now()
    chosen = flat({n: told["chosen"].get(n) for n in ("model", "variant", "lm")}, words)
    rows, parts = [*chosen, *_loaded(told.get("loaded") or {}, words)], told["parts"]
    rows_of_parts = [
        (p["name"], p["kind"], gigabytes(p["bytes"]), "; ".join(words.said(text) for text in p["problems"]))
        for p in parts
    ]
    shown = grid([words(f"part_{n}") for n in ("name", "kind", "size", "problems")], rows_of_parts)
    names = {kind: [p["name"] for p in parts if p["kind"] == kind] for kind in ("model", "lm")}
    offered = [[(words("automatic"), ""), *((n, n) for n in names[kind])] for kind in ("model", "lm")]
    return [facts_table(rows), shown, *(gr.update(choices=c) for c in offered)]


def _loaded(loaded: Mapping[str, Any], words: Words) -> list[tuple[str, Any]]:
    """What a process holds, and the memory it takes."""
    model = loaded.get("model")
    if model is None:
        return [(words("loaded"), words("not_loaded"))]
    rows = [(words("loaded"), f"{model['name']} · {model['variant']} · {model['backend']}")]
    for part, about in model["parts"].items():
        plain = {n: v for n, v in about.items() if isinstance(v, str | int | float) and v != ""}
        said = ", ".join(f"{n} {v}" for n, v in plain.items())
        rows.append((f"{words('loaded')} · {part}", said or "✓"))
    memory = (("process_memory", loaded.get("memory_bytes")), ("free_memory", loaded.get("free_bytes")))
    return rows + [(words(n), gigabytes(v)) for n, v in memory if v is not None]


def _plan(shell: Shell, form: Form) -> None:
    """How it would run in some amount of memory, and one button that takes that over."""
    words = shell.words
    with gr.Row(elem_classes="fields"):
        vram = gr.Textbox("", label=words.label("vram_gb"), placeholder=words("automatic"), elem_id="models-vram")
        seconds = gr.Slider(1, 600, 240, step=1, label=words.label("seconds"), buttons=[])
        batch = gr.Slider(1, 8, 1, step=1, label=words.label("batch"), buttons=[])
        think = gr.Checkbox(label=words.label("think"))
    with gr.Row():
        ask = gr.Button(words("plan_ask"), elem_id="models-plan", size="sm")
        take = gr.Button(words("plan_take"), elem_id="models-take", size="sm", interactive=False)
    shown, plan = gr.HTML(elem_id="models-planned"), gr.State({})

    def asked(vram: str, seconds: float, batch: int, think: bool, *values: Any) -> list[Any]:
        request = form.request(values)
        given = {n: request[n] for n in _CHOICE if n in request}
        own = {"seconds": seconds, "batch": int(batch), "think": think, **({"vram": float(vram)} if vram else {})}
        found = shell.work.client.ask("POST", "/v1/plan", json={**given, **own})
        return [found, _planned(found, words), gr.update(interactive=True)]

    def taken(found: Mapping[str, Any], *values: Any) -> list[Any]:
        request = form.request(values)
        request.setdefault("options", {})["backend"] = dict(found.get("options", {}))
        return form.shown(request)

    shell.when(ask.click, asked, [vram, seconds, batch, think, *form.inputs], [plan, shown, take])
    shell.when(take.click, taken, [plan, *form.inputs], form.inputs)


def _planned(found: Mapping[str, Any], words: Words) -> str:
    parts = grid([words(f"part_{n}") for n in ("name", "weights", "work")],
                 [(n, gigabytes(d["weights"]), gigabytes(d["work"])) for n, d in found["parts"].items()])  # fmt: skip
    plain = {n: v for n, v in found.items() if n not in ("parts", "command", "lms", "reserve")}
    command = " ".join(found.get("command", ()))
    bytes_ = {n: gigabytes(v) if n in ("budget", "peak") else v for n, v in plain.items()}
    return facts_table([*flat(bytes_, words), (words("command"), command)]) + parts
