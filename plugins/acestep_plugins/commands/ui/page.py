"""The page in one language: a head and its tabs."""

from html import escape

import gradio as gr

from acestep_plugins.commands.ui.panel import take_up
from acestep_plugins.commands.ui.shell import Shell, connect
from acestep_plugins.commands.ui.tabs import (
    dataset,
    heard,
    models,
    music,
    music_events,
    plugins,
    results,
    results_events,
    train,
)
from acestep_plugins.commands.ui.words import LANGUAGES, Words, words
from acestep_plugins.commands.ui.work import Work

TITLE = "acestep-core"


def build(work: Work, language: Words) -> gr.Blocks:
    """The whole page, every text from `language`."""
    with gr.Blocks(title=language("title", name=TITLE), analytics_enabled=False, fill_width=True) as page:
        _head(language)
        shell = Shell(work, language)
        with gr.Tabs(selected="music") as shell.tabs:
            with gr.Tab(language("tab_models"), id="models", elem_id="tab-models") as tab:
                chosen = models.build(shell, tab.select)
                heard.build(shell, tab.select)
            with gr.Tab(language("tab_music"), id="music", elem_id="tab-music"):
                made = music.build(shell)
            with gr.Tab(language("tab_results"), id="results", elem_id="tab-results"):
                shown = results.build(shell)
            with gr.Tab(language("tab_dataset"), id="dataset", elem_id="tab-dataset"):
                dataset.build(shell)
            with gr.Tab(language("tab_train"), id="train", elem_id="tab-train"):
                train.build(shell)
            with gr.Tab(language("tab_plugins"), id="plugins", elem_id="tab-plugins"):
                plugins.build(shell)
        music_events.connect(shell, made, chosen.panel.ended.change)
        results_events.connect(shell, shown, made)
        take_up(shell)
        connect(shell, page)
    return page


def _head(language: Words) -> None:
    links = "".join(
        f'<a href="../language/{code}" lang="{code}"{" aria-current=true" if code == language.language else ""}>'
        f"{escape(words(code).name)}</a>"
        for code in LANGUAGES
    )
    theme = f'<button class="theme" onclick="acestepTheme(true)" aria-label="{escape(language("theme"))}">◐</button>'
    with gr.Row(elem_id="head"):
        gr.HTML(f'<h1 class="head-title">{escape(language("title", name=TITLE))}</h1>')
        gr.HTML(f'<nav class="head-links">{links}{theme}</nav>')
