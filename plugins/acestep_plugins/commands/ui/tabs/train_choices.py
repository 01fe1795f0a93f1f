"""Help with the options of a training: presets, what does nothing, and what memory it takes."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from acestep_core.idle import idle_options
from acestep_core.options import options_of, parse_options
from acestep_core.train_settings import TrainSettings, contradictions
from acestep_plugins.commands.ui.form import Form
from acestep_plugins.commands.ui.shell import HIDDEN, Shell
from acestep_plugins.commands.ui.telling import facts_table, flat
from acestep_plugins.commands.ui.words import Words

_DECIDING = ("optimizer", "schedule", "loss_weight", "ema", "cycles", "snr_gamma", "d0", "export", "patience")
_FREE = ("samples", "out", "author", "license", "trigger", "seed")
"""They take no memory."""


def presets(shell: Shell, form: Form) -> Callable[[Any], None]:
    """Draws the presets; what is given back connects them, once the form is whole."""
    words = shell.words
    with gr.Row(equal_height=True):
        chosen = gr.Dropdown([("–", "")], value="", label=words("preset"), info=words("preset_help"), scale=3,
                             elem_id="train-preset")  # fmt: skip
        take = gr.Button(words("preset_take"), elem_id="train-preset-take")

    def known() -> Any:
        found = shell.work.presets
        return gr.update(choices=[("–", ""), *((f"{p['name']} – {p['about']}", p["name"]) for p in found)])

    def taken(name: str, *values: Any) -> list[Any]:
        found = next((p["request"] for p in shell.work.presets if p["name"] == name), None)
        if found is None:
            return [gr.skip()] * len(values)
        kept = {n: v for n, v in form.request(values).items() if n in ("encoded", "out")}
        return form.shown({**found, **kept})

    def connect(train: Any) -> None:
        shell.on_load(known, [chosen])
        shell.when(take.click, taken, [chosen, *form.inputs], form.inputs)
        _idle(shell, form)

    return connect


def _idle(shell: Shell, form: Form) -> None:
    before = gr.State({})

    def look(known: Mapping[Any, str], *values: Any) -> list[Any]:
        why = idle_in_training(form.request(values))
        return [why, *form.idle(why, known)]

    outputs = [before, *form.inputs]
    deciding = [c.change for path, c in form.controls.items() if path in {(n,) for n in _DECIDING}]
    shell.when(deciding, look, [before, *form.inputs], outputs, trigger_mode="always_last", **HIDDEN)
    shell.on_load(lambda: look({}, *form.untouched), outputs)


def idle_in_training(request: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """Settings that would do nothing as things stand; whether songs are held out is the songs' business."""
    said = {n: v for n, v in request.items() if n in options_of(TrainSettings)}
    settings = TrainSettings(**parse_options(TrainSettings, said, "")[0])
    return {(n,): why for n, why in idle_options(settings, lambda s: contradictions(s, True)).items()}


def estimate(shell: Shell, form: Form) -> None:
    """What the training would do and the memory it takes; asked for anew when a choice is made."""
    words = shell.words
    with gr.Row(equal_height=True):
        live = gr.Checkbox(label=words("estimate_live"), value=True, elem_id="train-estimate-live")
        ask = gr.Button(words("estimate_ask"), elem_id="train-estimate", size="sm")
    shown = gr.HTML(elem_id="train-estimated")

    def asked(*values: Any) -> str:
        known = shell.work.kinds["train_plan"]["properties"]
        request = {n: v for n, v in form.request(values).items() if n in known}
        return estimated(shell.work.finished("train_plan", request), words)

    def again(on: bool, *values: Any) -> Any:
        return asked(*values) if on and form.request(values).get("encoded") else gr.skip()

    shell.when(ask.click, asked, form.inputs, [shown])
    deciding = [c.blur if isinstance(c, gr.Textbox | gr.Number) else c.change
                for path, c in form.controls.items() if path[0] not in _FREE]  # fmt: skip
    shell.when(deciding, again, [live, *form.inputs], [shown], trigger_mode="always_last", show_progress="minimal")


def estimated(found: Mapping[str, Any], words: Words) -> str:
    plain = {n: v for n, v in found.items() if n not in ("memory", "sentences")}
    return facts_table([*flat(plain, words), *((words("estimate"), s) for s in found["sentences"])])
