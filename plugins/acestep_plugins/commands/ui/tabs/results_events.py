"""What is done with a clip: sent on to another task, scored, timed, and its settings taken over."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from acestep_core.errors import UserError
from acestep_plugins.commands.ui import modes
from acestep_plugins.commands.ui.clips import ALIGN, SCORE, Made, answer_of, clips_of, sound
from acestep_plugins.commands.ui.panel import started
from acestep_plugins.commands.ui.shell import HIDDEN, Shell
from acestep_plugins.commands.ui.tabs.music import Music
from acestep_plugins.commands.ui.tabs.music_events import one_ahead
from acestep_plugins.commands.ui.tabs.results import Results, Slot, heard_of, shown, where

MUSIC, RESULTS = "music", "results"


def connect(shell: Shell, results: Results, music: Music) -> None:
    """All of them, and the results of new work."""
    for place, slot in enumerate(results.slots):
        _sent_on(shell, results, music, place, slot)
        _asked_about(shell, results, place, slot)
    _answered(shell, results)

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
    """Scores and times of a clip, beside what else is asked and not yet told."""

    def ask(kind: str, files: str, ids: str, asked: list[str], told: str, *values: Any) -> list[Any]:
        known = shell.work.kinds[kind]["properties"]
        how = {n: v for n, v in results.timing.request(values).items() if n in known}
        job = shell.work.start(kind, {**how, files: [_made(shell, ids, place).name]})
        return started([*(i for i in asked if i not in told.split()), job], shell.words)

    inputs = [results.jobs, results.asked.jobs, results.asked.ended, *results.timing.inputs]
    for button, kind, files in (("score", SCORE, "clips"), ("lrc", ALIGN, "audio")):
        shell.when(slot.buttons[button].click, partial(ask, kind, files), inputs, results.asked.outputs)


def _answered(shell: Shell, results: Results) -> None:
    """What jobs have told of clips is shown beside those of them that are seen."""

    def show(ended: str, ids: str) -> list[Any]:
        done = [job for job in map(shell.work.job, ended.split()) if job["state"] == "done"]
        updates = [gr.skip()] * len(outputs)
        for place, made in enumerate(clips_of(shell.work, ids.split())):
            if any(answer_of(job, made) for job in done):
                lines, save_lrc, told = heard_of(shell, made)
                updates[3 * place : 3 * place + 3] = [gr.Audio(subtitles=lines), save_lrc, told]
        return updates

    outputs = [o for slot in results.slots for o in (slot.player, slot.save_lrc, slot.told)]
    shell.when(results.asked.ended.change, show, [results.asked.ended, results.jobs], outputs, **HIDDEN)
