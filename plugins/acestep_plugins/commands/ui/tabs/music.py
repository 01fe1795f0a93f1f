"""The tab that makes music."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui import modes
from acestep_plugins.commands.ui.audio import SOUNDS, path_in, region, sound_control, wave_svg
from acestep_plugins.commands.ui.fields import Field, fields_of, tables_of, tasks_of
from acestep_plugins.commands.ui.form import Form
from acestep_plugins.commands.ui.making import KIND, LISTENING, TAGS, WRITING
from acestep_plugins.commands.ui.panel import Panel, job_panel
from acestep_plugins.commands.ui.plugin_forms import plugin_options
from acestep_plugins.commands.ui.shell import HIDDEN, Shell

_ELSEWHERE = ("own_adapters", *modes.CHOICE)
_TASK = "task"
START = "custom"
"""The mode that the page opens in."""


@dataclass
class Music:
    """The tab's controls that others use."""

    form: Form
    mode: Any
    instrumental: Any
    tasks: Mapping[str, Mapping[str, Field]]
    panel: Panel
    writing: Panel
    listening: Panel
    buttons: dict[str, Any]
    query: Any
    song: Any
    """The path of the song that a task works on."""
    wave: Any
    idle: Any
    beside: Any
    ahead: Any
    last: Any
    """What was asked for last, and the jobs of the batch that AutoGen makes meanwhile."""
    query_box: Any
    words_box: Any
    source_box: Any

    @property
    def inputs(self) -> list[Any]:
        return [self.mode, self.instrumental, *self.form.inputs]

    def request(self, mode: str, instrumental: bool, *values: Any) -> dict[str, Any]:
        """What is asked for, as the server reads it."""
        own = modes.task_fields(mode, self.tasks)
        asked = self.form.request(values, lambda p: p[0] != _TASK or p[1] in own)
        left_out = {"lyrics"} if instrumental or not modes.with_words(mode) else set()
        left_out |= {"caption", "rewrite"} if mode == "simple" else {"query"}
        asked = {n: v for n, v in asked.items() if n not in left_out}
        return {**asked, _TASK: {"name": modes.MODES[mode], **asked.get(_TASK, {})}}


def build(shell: Shell) -> Music:
    """Draws the tab."""
    words, schema = shell.words, shell.work.kinds[KIND]
    form, fields, tasks = Form(words, "music-"), fields_of(schema, KIND, _ELSEWHERE), tasks_of(schema)
    mode = gr.Radio([(words(f"mode_{m}"), m) for m in modes.MODES], value=START, label=words("mode"),
                    elem_id="music-mode", info=words("mode_help"))  # fmt: skip
    with gr.Column(visible=False) as query_box:
        query = gr.Textbox("", label=words("query"), info=words("query_help"), lines=2, elem_id="music-query")
        form.put(("query",), fields["query"], query)
        create = gr.Button(words("create"), elem_id="music-create")
    with gr.Row():
        with gr.Column(scale=3) as words_box:
            buttons = {"create": create, **_words(shell, form, fields)}
        with gr.Column(scale=2, visible=False) as source_box:
            song, wave = _source(shell, form, tasks)
    writing = job_panel(shell, WRITING, "writing")
    _metas(form, fields)
    listening = _accordions(shell, form, fields, tasks, schema, buttons)
    with gr.Row(equal_height=True):
        buttons["make"] = gr.Button(words("generate"), variant="primary", elem_id="music-generate", scale=2)
        beside = gr.Checkbox(label=words("beside"), info=words("beside_help"), elem_id="music-beside")
        ahead = gr.Checkbox(label=words("autogen"), info=words("autogen_help"), elem_id="music-autogen")
    panel = job_panel(shell, [KIND], "music")
    instrumental = buttons.pop("instrumental")
    return Music(form, mode, instrumental, tasks, panel, writing, listening, buttons, query, song, wave, gr.State({}),
                 beside, ahead, gr.State({}), query_box, words_box, source_box)  # fmt: skip


def _words(shell: Shell, form: Form, fields: Mapping[str, Field]) -> dict[str, Any]:
    words = shell.words
    form.add(fields, ["caption"])
    instrumental = gr.Checkbox(label=words("instrumental"), elem_id="music-instrumental")
    form.add(fields, ["lyrics"])
    lyrics = form.controls[("lyrics",)]
    with gr.Row(elem_classes="chips"):
        for tag in TAGS:
            chip = gr.Button(f"[{tag}]", size="sm", min_width=60)
            shell.when(chip.click, lambda text, tag=tag: f"{text.rstrip()}\n\n[{tag}]\n".lstrip(), [lyrics], [lyrics])
    with gr.Row():
        dice = gr.Button(words("random"), elem_id="music-random", size="sm")
        neat = gr.Button(words("format"), elem_id="music-format", size="sm")
    return {"random": dice, "format": neat, "instrumental": instrumental}


def _metas(form: Form, fields: Mapping[str, Field]) -> None:
    form.add(fields, modes.METAS)


def _source(shell: Shell, form: Form, tasks: Mapping[str, Mapping[str, Field]]) -> tuple[Any, Any]:
    """The song that a task works on, with its waveform, and what is said of it: its path, and the waveform."""
    about = tasks["cover"]["source"]
    field, player = sound_control(about, shell.words, form.prefix)
    form.put((_TASK, "source"), field, player)
    song = path_in(shell, player)
    wave = region(shell.words, "music-wave")
    own = {n: f for each in tasks.values() for n, f in each.items() if n not in ("source", "codes", "codes_strength")}
    form.add(own, at=(_TASK,), visible=False)
    ends = [form.controls[_TASK, n] for n in ("start", "end")]

    def drawn(path: str | None, start: float | None, end: float | None) -> str:
        return wave_svg(path, start or 0, -1 if end is None else end)

    shell.when([c.change for c in (song, *ends)], drawn, [player, *ends], [wave], **HIDDEN)
    return song, wave


def _accordions(shell: Shell, form: Form, fields: Mapping[str, Field], tasks: Any,
                schema: Mapping[str, Any], buttons: dict[str, Any]) -> Panel:  # fmt: skip
    """Everything else, the seldom used last, which has the fields that are named nowhere else.

    Gives the panel of jobs that listen to a sound.
    """
    words, tables = shell.words, tables_of(schema)
    with gr.Accordion(words("making"), open=True):
        form.add(fields, modes.MAKING)
    with gr.Accordion(words("steps_group"), open=False):
        form.add(fields, modes.STEPS)
        plugin_options(shell, form, {"solver": "solvers", "schedule": "samplers"})
    with gr.Accordion(words("lm_group"), open=False):
        for name in ("thinking", "lm_settings"):
            form.add(fields_of(tables[name], name), at=(name,))
    with gr.Accordion(words("codes_group"), open=False):
        form.add(tasks["text2music"], at=(_TASK,))
        with gr.Row(equal_height=True):
            sound = gr.Audio(type="filepath", sources=["upload"], label=words("convert"), elem_id="music-convert",
                             editable=False)  # fmt: skip
            with gr.Column():
                buttons["to_codes"] = gr.Button(words("to_codes"), size="sm", elem_id="music-to-codes")
                buttons["understand"] = gr.Button(words("understand"), size="sm", elem_id="music-understand")
        buttons["sound"] = sound
        listening = job_panel(shell, LISTENING, "listening")
    with gr.Accordion(words("output_group"), open=False):
        form.add(fields, modes.LEVEL)
        form.add(fields_of(tables["audio"], "audio"), at=("audio",))
    with gr.Accordion(words("more_group"), open=False):
        field, player = sound_control(fields["timbre"], words, form.prefix)
        form.put(("timbre",), field, player)
        form.add({n: f for n, f in fields.items() if n not in SOUNDS})
    return listening
