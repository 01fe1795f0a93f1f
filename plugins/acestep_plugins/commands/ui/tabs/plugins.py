"""The tab of plugins: what is installed, the options of each, and what the doctors say."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.fields import fields_of
from acestep_plugins.commands.ui.shell import HIDDEN, Shell
from acestep_plugins.commands.ui.telling import facts_table, grid

_WIDTHS = ["130px", "190px", "170px", "90px", "630px"]  # so that most is what a plugin says of itself


def build(shell: Shell) -> None:
    """Draws the tab."""
    words, plugins = shell.words, shell.work.plugins
    headers = [words(f"plugin_{n}") for n in ("kind", "name", "from", "version", "about")]
    rows = [[*(p[k] for k in ("kind", "name", "distribution", "version")), words.said(p.get("problem") or p["about"])]
            for p in plugins]  # fmt: skip
    gr.Markdown(words("plugins_help"))
    table = gr.Dataframe(rows, headers=headers, interactive=False, elem_id="plugins-table", wrap=True, max_height=420,
                         show_search="filter", buttons=[], column_widths=_WIDTHS)  # fmt: skip
    about = gr.HTML(elem_id="plugins-about")
    with gr.Row():
        machine = gr.Button(words("doctor_machine"), elem_id="plugins-doctor")
        packages = gr.Button(words("doctor_plugins"), elem_id="plugins-packages")
    told = gr.HTML(elem_id="plugins-told")

    def chosen(event: gr.SelectData) -> str:
        kind, name = event.row_value[0], event.row_value[1]
        return _about(shell, next(p for p in plugins if (p["kind"], p["name"]) == (kind, name)))

    shell.when(table.select, chosen, [], [about], **HIDDEN)
    shell.when(machine.click, lambda: _machine(shell, shell.work.client.ask("GET", "/v1/doctor")), [], [told])
    shell.when(packages.click, lambda: _packages(shell, shell.work.client.ask("GET", "/v1/plugins/doctor")), [], [told])


def _about(shell: Shell, plugin: Mapping[str, Any]) -> str:
    words = shell.words
    rows = [(words(f"plugin_{n}"), words.said(plugin[k])) for n, k in (("name", "qualified"), ("from", "distribution"),
            ("version", "version"), ("about", "about"))]  # fmt: skip
    own = fields_of(plugin["options"], str(plugin["name"]))
    options = [(f.name, json.dumps(f.default), ", ".join(map(str, f.allowed)) or f.kind,
                words.help(f.name, f.about, f.owner)) for f in own.values()]  # fmt: skip
    headers = [words(f"option_{n}") for n in ("name", "default", "allowed", "about")]
    return facts_table(rows) + (grid(headers, options) if options else "")


def _machine(shell: Shell, told: Mapping[str, Any]) -> str:
    words = shell.words
    troubles = [(words.said(t["problem"]), words.said(t["mend"])) for t in told["troubles"]] or [(words("healthy"), "")]
    rows = [(words("torch"), told["torch"].get("version", ""))]
    rows += [(g["name"], g.get("driver") or "") for g in told["gpus"]]
    uses = []
    for use in told["uses"]:
        tier = use["tier"] or {}
        uses.append((use["device"], words.said(use["problem"] or "") or _tier(tier)))
    return facts_table(rows) + grid([words("trouble"), words("mend")], troubles) + facts_table(uses)


def _tier(tier: Mapping[str, Any]) -> str:
    return ", ".join(f"{n} {v}" for n, v in tier.items() if isinstance(v, int | float | str) and v not in ("", None))


def _packages(shell: Shell, told: Any) -> str:
    rows = told if isinstance(told, list) else told.get("plugins", [])
    keys = list(dict.fromkeys(k for row in rows for k in row))
    return grid(keys, [[row.get(k, "") for k in keys] for row in rows])
