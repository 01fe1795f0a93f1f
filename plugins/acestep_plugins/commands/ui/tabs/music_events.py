"""What the controls of the tab for music do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from acestep_core.errors import UserError
from acestep_plugins.commands.ui import modes
from acestep_plugins.commands.ui.idle import idle_in_request, model_of, without
from acestep_plugins.commands.ui.making import begin, found_by, next_batch, random_example
from acestep_plugins.commands.ui.panel import started
from acestep_plugins.commands.ui.shell import HIDDEN, Shell
from acestep_plugins.commands.ui.tabs.music import START, Music
from acestep_plugins.commands.ui.work import first_done

_WORDS = [(n,) for n in (*modes.WORDS, *modes.METAS)]


def connect(shell: Shell, music: Music, loaded: Any) -> None:
    """All of them; `loaded` is the event after which the model may be another one."""
    _modes(shell, music, loaded)
    _idle(shell, music, loaded)
    _writing(shell, music)
    _making(shell, music)


def _modes(shell: Shell, music: Music, loaded: Any) -> None:
    shown = [music.query_box, music.words_box, music.source_box, *music.form.inputs]
    shell.when(music.mode.change, lambda mode: in_mode(music, mode), [music.mode], shown, **HIDDEN)
    shell.on_load(lambda: _possible(shell), [music.mode])
    shell.when(loaded, lambda mode: _possible(shell, mode), [music.mode], [music.mode], **HIDDEN)
    ends = [music.form.controls["task", n] for n in ("start", "end")]
    shell.when(music.wave.submit, _drawn, [], ends, **HIDDEN)
    lyrics = music.form.controls[("lyrics",)]
    shell.when(music.instrumental.change, lambda on: gr.update(interactive=not on), [music.instrumental], [lyrics],
               **HIDDEN)  # fmt: skip


def in_mode(music: Music, mode: str) -> list[Any]:
    """What is shown in a mode: the boxes of words and song, and of the tasks' controls its own."""
    own = modes.task_fields(mode, music.tasks)
    boxes = [mode == "simple", modes.with_words(mode), "source" in own]
    controls = [gr.update(visible=p[1] in own) if p[0] == "task" else gr.skip() for p in music.form.fields]
    return [*(gr.update(visible=v) for v in boxes), *controls]


def _possible(shell: Shell, now: str = START) -> Any:
    """The modes that the model knows, and which it does not; where it does not know the one of now, the usual one."""
    facts = shell.work.model()
    if facts is None:
        return gr.update(info=shell.words("no_model"))
    can = facts["tasks"]
    known = [(shell.words(f"mode_{m}"), m) for m, task in modes.MODES.items() if task in can]
    missing = [shell.words(f"mode_{m}") for m, task in modes.MODES.items() if task not in can]
    told = shell.words("modes_missing", variant=facts["variant"], modes=", ".join(missing)) if missing else ""
    chosen = {} if now in (m for _, m in known) else {"value": START}
    return gr.update(choices=known, info=told or shell.words("mode_help"), **chosen)


def _drawn(event: gr.EventData) -> list[float]:
    return [float(end) for end in event.chosen]


def _idle(shell: Shell, music: Music, loaded: Any) -> None:
    """Whenever a choice is made, controls that it takes the effect from are switched off, and say why."""

    def look(before: dict[Any, str], mode: str, instrumental: bool, *values: Any) -> list[Any]:
        facts = shell.work.model()
        if facts is None:
            return [gr.skip()] * (1 + len(values))
        asked = music.request(mode, False, *values)
        why = idle_in_request(asked, model_of(facts))
        return [why, *music.form.idle(why, before)]

    choices = {**music.form.controls, ("task", "source"): music.song}
    chosen = [c.change for p, c in choices.items() if p in _DECIDING or p[0] == "task"]
    outputs = [music.idle, *music.form.inputs]
    shell.when([loaded, music.mode.change, *chosen], look, [music.idle, *music.inputs], outputs,
               trigger_mode="always_last", **HIDDEN)  # fmt: skip
    shell.on_load(lambda: look({}, START, False, *music.form.untouched), outputs)


_DECIDING = {(n,) for n in ("steps", "shift", "schedule", "timesteps", "guidance", "keep_level", "reference_mode")}


def _writing(shell: Shell, music: Music) -> None:
    """Words that somebody else writes: an example, or the language model."""
    work, form = shell.work, music.form

    def example() -> list[Any]:
        said = random_example()
        return [said["lyrics"] == "[Instrumental]", *form.shown(said, _WORDS)]

    def neat(*values: Any) -> list[Any]:
        asked = music.request(*values)
        return ask("format", {n: asked[n] for (n,) in _WORDS if n in asked and asked[n] != "unknown"})

    def listen(kind: str, path: str | None) -> list[Any]:
        if not path:
            raise UserError(shell.words("no_sound"))
        sound = work.upload(Path(path))
        return ask(kind, {"audio": sound if kind == "codes" else [sound]})

    def ask(kind: str, request: Mapping[str, Any]) -> list[Any]:
        return started([work.start(kind, request)], shell.words)

    def filled(ended: str) -> list[Any]:
        job = first_done(map(work.job, ended.split()))
        if job is None:
            return [gr.skip()] * (1 + len(form.inputs))
        said = found_by(job)
        mode = "custom" if job["kind"] == "create" else gr.skip()
        return [mode, *form.shown(said, [("task", "codes")] if "task" in said else _WORDS)]

    buttons, written, heard = music.buttons, music.writing.outputs, music.listening.outputs
    shell.when(buttons["random"].click, example, [], [music.instrumental, *form.inputs])
    shell.when(buttons["create"].click, lambda query: ask("create", {"query": query}), [music.query], written)
    shell.when(buttons["format"].click, neat, music.inputs, written)
    for button, kind in (("to_codes", "codes"), ("understand", "understand")):
        shell.when(buttons[button].click, lambda path, kind=kind: listen(kind, path), [buttons["sound"]], heard)
    for panel in (music.writing, music.listening):
        shell.when(panel.ended.change, filled, [panel.ended], [music.mode, *form.inputs], **HIDDEN)


def _making(shell: Shell, music: Music) -> None:
    """Jobs, and with AutoGen the next batch as soon as one is done."""
    work, words, panel = shell.work, shell.words, music.panel

    def make(beside: bool, *values: Any) -> list[Any]:
        request, facts = music.request(*values), work.model()
        if facts is not None:  # what is switched off is not asked for
            request = without(request, idle_in_request(request, model_of(facts)))
        return [{"request": request}, *started(begin(work, request, beside), words)]

    def ahead(on: bool, ended: str, last: dict[str, Any]) -> list[Any]:
        ids = ended.split()
        fresh = on and ids and "request" in last and last.get("ahead") != ids
        return one_ahead(shell, last) if fresh and work.job(ids[0])["state"] == "done" else [gr.skip()] * 5

    outputs = [music.last, *panel.outputs]
    shell.when(music.buttons["make"].click, make, [music.beside, *music.inputs], outputs)
    shell.when(panel.ended.change, ahead, [music.ahead, panel.ended, music.last], outputs, **HIDDEN)


def one_ahead(shell: Shell, last: Mapping[str, Any]) -> list[Any]:
    """Begin the batch behind the one that is listened to."""
    begun = begin(shell.work, next_batch(last["request"]))
    return [{"request": last["request"], "ahead": begun}, *started(begun, shell.words)]
