"""What is done with a clip: sent on to another task, scored, timed, and its settings taken over."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from acestep_core.errors import UserError
from acestep_plugins.commands.ui import modes
from acestep_plugins.commands.ui.clips import ALIGN, Made, clips_of, scores_text, sound, subtitles, timed
from acestep_plugins.commands.ui.shell import HIDDEN, Shell
from acestep_plugins.commands.ui.tabs.music import Music
from acestep_plugins.commands.ui.tabs.music_events import one_ahead
from acestep_plugins.commands.ui.tabs.results import Results, Slot, lrc_button, shown, where

MUSIC, RESULTS = "music", "results"


def connect(shell: Shell, results: Results, music: Music) -> None:
    """All of them, and the results of new work."""
    for place, slot in enumerate(results.slots):
        _sent_on(shell, results, music, place, slot)
        _asked_about(shell, results, place, slot)

    def done(ended: str, now: str, last: dict[str, Any]) -> list[Any]:
        """A batch that AutoGen made meanwhile waits behind the one that is listened to."""
        ids = ended.split()
        if not ids or shell.work.job(ids[0])["state"] != "done":
            return [gr.skip()] * (1 + len(results.outputs))
        if last.get("ahead") == ids:
            place = results.outputs.index(results.place)
            told = [gr.skip()] * len(results.outputs)
            return [gr.skip(), *told[:place], where(shell, now.split()), *told[place + 1 :]]
        return [gr.Tabs(selected=RESULTS), *shown(shell, results, ids)]

    def reached(on: bool, ids: str, last: dict[str, Any]) -> list[Any]:
        """Once the batch made ahead is listened to, the next one is begun."""
        return one_ahead(shell, last) if on and ids and last.get("ahead") == ids.split() else [gr.skip()] * 5

    shell.when(music.panel.ended.change, done, [music.panel.ended, results.jobs, music.last],
               [shell.tabs, *results.outputs], **HIDDEN)  # fmt: skip
    shell.when(results.jobs.change, reached, [music.ahead, results.jobs, music.last],
               [music.last, *music.panel.outputs], **HIDDEN)  # fmt: skip


def _made(shell: Shell, ids: str, place: int) -> Made:
    found = clips_of(shell.work, ids.split())
    if place >= len(found):
        raise UserError(shell.words("no_clip"))
    return found[place]


def _sent_on(shell: Shell, results: Results, music: Music, place: int, slot: Slot) -> None:
    form = music.form
    outputs = [shell.tabs, music.mode, music.instrumental, *form.inputs]

    def to(mode: str) -> Callable[[str], list[Any]]:
        def send(ids: str) -> list[Any]:
            made = _made(shell, ids, place)
            path = str(sound(shell.work, made))
            asked = {n: v for n, v in made.request.items() if n in (*modes.WORDS, "language")}
            wanted = [(n,) for n in asked] + [("task", "source"), ("task", "start"), ("task", "end")]
            updates = form.shown({**asked, "task": {"source": path}}, wanted)
            return [gr.Tabs(selected=MUSIC), mode, not asked.get("lyrics"), *updates]

        return send

    def apply(ids: str) -> list[Any]:
        request = _made(shell, ids, place).request
        name = str((request.get("task") or {}).get("name", "text2music"))
        return [gr.Tabs(selected=MUSIC), modes.mode_of(name), not request.get("lyrics"), *form.shown(request)]

    shell.when(slot.buttons["remix"].click, to("remix"), [results.jobs], outputs)
    shell.when(slot.buttons["repaint_this"].click, to("repaint"), [results.jobs], outputs)
    shell.when(slot.buttons["apply"].click, apply, [results.jobs], outputs)


def _asked_about(shell: Shell, results: Results, place: int, slot: Slot) -> None:
    work, words = shell.work, shell.words

    def done(kind: str, files: str, made: Made, values: Sequence[Any]) -> Any:
        known = work.kinds[kind]["properties"]
        how = {n: v for n, v in results.timing.request(values).items() if n in known}
        return work.finished(kind, {**how, files: [made.name]})

    def score(ids: str, *values: Any) -> str:
        return scores_text(done("score", "clips", _made(shell, ids, place), values)["clips"][0], words)

    def time(ids: str, *values: Any) -> list[Any]:
        made = _made(shell, ids, place)
        done(ALIGN, "audio", made, values)
        lrc = timed(work, made)
        lines = [] if lrc is None else subtitles(made, lrc)
        text = "  \n".join(f"`{s['timestamp'][0]:6.2f}` {s['text']}" for s in lines)
        return [gr.Audio(subtitles=lines), text, lrc_button(lrc)]

    inputs = [results.jobs, *results.timing.inputs]
    shell.when(slot.buttons["score"].click, score, inputs, [slot.told])
    shell.when(slot.buttons["lrc"].click, time, inputs, [slot.player, slot.told, slot.save_lrc])
