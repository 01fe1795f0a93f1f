"""The tab that trains: every option, what it takes, how it goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.command_line import train_command
from acestep_plugins.commands.ui.curves import loss_curve, losses_of
from acestep_plugins.commands.ui.fields import fields_of, tables_of
from acestep_plugins.commands.ui.form import Form
from acestep_plugins.commands.ui.panel import Panel, job_panel, started
from acestep_plugins.commands.ui.plugin_forms import plugin_options
from acestep_plugins.commands.ui.shell import HIDDEN, Shell
from acestep_plugins.commands.ui.tabs import train_choices, train_run
from acestep_plugins.commands.ui.work import Job

KINDS = ("train", "lr_find", "estimate")
_FIRST = ("encoded", "adapter", "sampler", "out", "ranks", "extend")
_LENGTH = ("steps", "epochs", "batch_size", "accumulation", "optimizer", "learning_rate", "schedule", "warmup", "ema",
           "gradient_checkpointing", "save_every", "validate_every")  # fmt: skip
_CHOICE = ("model", "variant", "backend", "lm", "lm_backend")


@dataclass
class Train:
    """The tab's controls that others use."""

    form: Form
    panel: Panel
    curve: Any
    told: Any
    command: Any
    samples_table: Mapping[str, Any]


def build(shell: Shell) -> Train:
    """Draws the tab."""
    words, schema = shell.words, shell.work.kinds["train"]
    form = Form(words, "train-")
    fields, samples = fields_of(schema, "train", _CHOICE), tables_of(schema)["samples"]
    presets = train_choices.presets(shell, form)
    form.add(fields, _FIRST)
    with gr.Accordion(words("plugin_settings"), open=True):
        plugin_options(shell, form, {"adapter": "adapters", "sampler": "samplers"})
    with gr.Accordion(words("training_settings"), open=True):
        form.add(fields, _LENGTH)
    with gr.Accordion(words("more_group"), open=False):
        form.add(fields)
    with gr.Accordion(words("samples_settings"), open=False):
        form.add(fields_of(samples, "samples"), at=("samples",))
    command = gr.Textbox(label=words("command"), interactive=False, lines=2, max_lines=6, buttons=["copy"],
                         elem_id="train-command")  # fmt: skip
    train_choices.estimate(shell, form)
    with gr.Row():
        start = gr.Button(words("train_start"), variant="primary", elem_id="train-start", scale=2)
        rate = gr.Button(words("lr_find"), elem_id="train-lr-find")
        layers = gr.Button(words("layers_find"), elem_id="train-layers")
    curve, told = gr.HTML(elem_id="train-curve"), gr.HTML(elem_id="train-told")
    panel = job_panel(shell, KINDS, "train", lambda jobs: _live(shell, jobs), [curve])
    train = Train(form, panel, curve, told, command, samples)
    presets(train)
    train_run.build(shell, train)
    _starts(shell, train, start, rate, layers)
    _command(shell, train)
    return train


def _live(shell: Shell, jobs: Sequence[Job]) -> list[Any]:
    """The loss of the first of the jobs that has one."""
    for job in jobs:
        losses = losses_of(shell.work.events(str(job["id"])))
        if losses:
            return [loss_curve(losses, [], shell.words)]
    return [gr.skip()]


def _starts(shell: Shell, train: Train, start: Any, rate: Any, layers: Any) -> None:
    work, words, form = shell.work, shell.words, train.form

    def begin(*values: Any) -> list[Any]:
        return [*started([work.start("train", form.request(values))], words), ""]

    def other(kind: str, *values: Any) -> list[Any]:
        """Of the settings of the training those that this kind has too; it writes beside the run."""
        asked = form.request(values)
        known = set(work.kinds[kind]["properties"]) - {"out"}
        request = {n: v for n, v in asked.items() if n in known}
        out = str(asked.get("out") or form.fields[("out",)].default)
        request["out"] = f"{out}-{kind.replace('_', '-')}"
        if "options" in request:
            tables = work.kinds[kind]["properties"]["options"]["properties"]
            request["options"] = {t: o for t, o in request["options"].items() if t in tables}
        return [*started([work.start(kind, request)], words), ""]

    outputs = [*train.panel.outputs, train.curve]
    shell.when(start.click, begin, form.inputs, outputs)
    shell.when(rate.click, lambda *v: other("lr_find", *v), form.inputs, outputs)
    shell.when(layers.click, lambda *v: other("estimate", *v), form.inputs, outputs)


def _command(shell: Shell, train: Train) -> None:
    """The same as a command, whatever is changed."""
    form = train.form

    def told(*values: Any) -> str:
        return train_command(form.request(values), shell.work.models_folder)

    shell.when([c.change for c in form.inputs], told, form.inputs, [train.command], trigger_mode="always_last",
               **HIDDEN)  # fmt: skip
    shell.on_load(lambda: told(*form.untouched), [train.command])
