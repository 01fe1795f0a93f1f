"""A form for one kind of job: its fields, the options of plugins that it names, a button, and the work on its way."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.fields import fields_of, tables_of
from acestep_plugins.commands.ui.form import Form
from acestep_plugins.commands.ui.panel import Panel, job_panel, started
from acestep_plugins.commands.ui.plugin_forms import plugin_options
from acestep_plugins.commands.ui.shell import Shell


@dataclass
class KindBox:
    """The controls of a kind; `shared` are controls of the tab that stand for fields of its request."""

    kind: str
    form: Form
    shared: Mapping[str, Any]
    button: Any
    panel: Panel
    several: Collection[str]
    """Shared fields that are lists of one."""

    @property
    def inputs(self) -> list[Any]:
        return [*self.shared.values(), *self.form.inputs]

    def request(self, *values: Any) -> dict[str, Any]:
        """What is asked for."""
        count = len(self.shared)
        own = {n: v for n, v in zip(self.shared, values[:count], strict=True) if v not in (None, "", [])}
        lists = {n: [v] for n, v in own.items() if n in self.several}
        return self.form.request(values[count:]) | own | lists


def kind_box(
    shell: Shell,
    kind: str,
    button: str,
    *,
    shared: Mapping[str, Any],
    leave: Collection[str] = (),
    plugins: Mapping[str, str] | None = None,
    first: Collection[str] | None = None,
    variant: str = "primary",
    also: tuple[Callable[..., list[Any]], list[Any]] | None = None,
) -> KindBox:
    """Draws it. `first` names the fields in front, the others are in an accordion; `plugins` are tables of options."""
    words, schema = shell.words, shell.work.kinds[kind]
    form = Form(words, f"{kind}-")
    fields = fields_of(schema, kind, (*shared, *leave))
    form.add(fields, first)
    if plugins:
        plugin_options(shell, form, plugins)
    if any((name,) not in form.fields for name in fields):
        with gr.Accordion(words("more_group"), open=False):
            form.add(fields)
            for name, about in tables_of(schema).items():
                if name != "options":
                    form.add(fields_of(about, name), at=(name,))
    start = gr.Button(words(button), variant=variant, elem_id=f"{kind}-start")
    panel = job_panel(shell, [kind], kind, *(also or ()))
    several = [n for n in shared if schema["properties"][n].get("type") == "array"]
    box = KindBox(kind, form, shared, start, panel, several)
    shell.when(start.click, lambda *values: started([shell.work.start(kind, box.request(*values))], words), box.inputs,
               panel.outputs)  # fmt: skip
    return box
