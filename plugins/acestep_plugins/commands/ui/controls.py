"""Controls of fields, labelled in the page's language."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.fields import Field
from acestep_plugins.commands.ui.words import Words

LINES = {"caption": 3, "lyrics": 10}


def control(field: Field, words: Words, prefix: str = "", **how: Any) -> Any:
    """The control of a field. `how` goes to it: `visible`, `interactive`, `value`."""
    told = {
        "label": words.label(field.name, field.owner),
        "info": words.help(field.name, field.about, field.owner),
        "value": field.shown(how.pop("value", None)),
        "elem_id": f"{prefix}{field.owner}-{field.name}".strip("-"),
        **how,
    }
    return _MADE[field.kind](field, words, told)


def choices_of(field: Field, words: Words) -> list[tuple[str, Any]]:
    """(what is shown, value); first of all nothing, where the field may be left open."""
    empty = field.optional or field.default in (None, "")
    return [(words("automatic"), "")] * bool(empty) + [(words.value(v), v) for v in field.allowed]


def _boolean(field: Field, words: Words, told: dict[str, Any]) -> Any:
    if not field.optional:
        return gr.Checkbox(**told)
    choices = [(words("automatic"), ""), (words("yes"), "true"), (words("no"), "false")]
    return gr.Dropdown(choices=choices, **told)


def _choice(field: Field, words: Words, told: dict[str, Any]) -> Any:
    return gr.Dropdown(choices=choices_of(field, words), **told)


def _several(field: Field, words: Words, told: dict[str, Any]) -> Any:
    return gr.CheckboxGroup(choices=[(words.value(v), v) for v in field.allowed], **told)


def _numeric(field: Field, words: Words, told: dict[str, Any]) -> Any:
    low, high = field.range
    whole = field.kind == "integer"
    if field.slides:
        return gr.Slider(low, high, step=1 if whole else (high - low) / 100, buttons=[], **told)
    if field.default is None:  # a number control has no way to hold nothing
        return gr.Textbox(placeholder=words("automatic"), max_lines=1, **told)
    return gr.Number(minimum=low, maximum=high, precision=0 if whole else None, step=1 if whole else 0.05, **told)


def _text(field: Field, words: Words, told: dict[str, Any]) -> Any:
    lines = LINES.get(field.name, 2) if field.kind == "long" else 1
    told["elem_classes"] = "long" if field.kind == "long" else None
    kind = "password" if field.secret else "text"
    return gr.Textbox(lines=lines, max_lines=max(lines, 12) if lines > 1 else 1, type=kind, **told)


def _offered(field: Field, words: Words, told: dict[str, Any]) -> Any:
    known = [(str(v), v) for v in field.choices]
    return gr.Dropdown(choices=[(words("automatic"), ""), *known], allow_custom_value=True, **told)


_MADE = {"offered": _offered, "boolean": _boolean, "choice": _choice, "several": _several, "number": _numeric,
         "integer": _numeric, "list": _text, "long": _text, "text": _text}  # fmt: skip


def in_rows(fields: Sequence[Field], words: Words, prefix: str = "", **how: Any) -> dict[str, Any]:
    """Controls of several fields beside each other, by the name of the field."""
    with gr.Row(elem_classes="fields"):
        return {f.name: control(f, words, prefix, **how) for f in fields}
