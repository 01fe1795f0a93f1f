"""Options of the plugins that a field may name: those of the chosen one are shown."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.fields import fields_of
from acestep_plugins.commands.ui.form import OPTIONS, Form, of_plugin
from acestep_plugins.commands.ui.shell import HIDDEN, Shell


def plugin_options(shell: Shell, form: Form, tables: Mapping[str, str]) -> None:
    """Controls for every plugin of a kind, by table; its field, or that in the plural, says which are asked for."""
    for table, kind in tables.items():
        form.tables[table] = (table,) if (table,) in form.fields else (f"{table}s",)
        for plugin in shell.work.plugins_of(kind):
            _one(shell, form, table, plugin)


def _one(shell: Shell, form: Form, table: str, plugin: Mapping[str, Any]) -> None:
    name, chooser = str(plugin["name"]), form.controls[form.tables[table]]
    own = fields_of(plugin["options"], name)
    if not own:
        return

    def chosen(value: Any) -> bool:
        return name in value if isinstance(value, list) else value == name

    with gr.Column(visible=chosen(chooser.value), elem_classes="slot") as box:
        gr.Markdown(shell.words("options_of", name=name), elem_classes="options-of")
        form.add(own, at=(OPTIONS, of_plugin(table, name)))
    shell.when(chooser.change, lambda value: gr.update(visible=chosen(value)), [chooser], [box],
               **HIDDEN)  # fmt: skip
