"""One song of the dataset: heard, read and corrected."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from acestep_core.reviewing import as_text
from acestep_plugins.commands.ui.controls import LINES
from acestep_plugins.commands.ui.fields import KNOWN
from acestep_plugins.commands.ui.shell import Shell
from acestep_plugins.commands.ui.telling import problem_line
from acestep_plugins.commands.ui.words import Words

FIELDS = ("caption", "lyrics", "genre", "bpm", "keyscale", "timesignature", "language")


def build(shell: Shell, dataset: Any) -> None:
    """Draws the editor below the table; a row that is chosen is opened in it."""
    words = shell.words
    with gr.Column(visible=False, elem_classes="slot", elem_id="song") as box:
        title = gr.Markdown(elem_id="song-title")
        player = gr.Audio(interactive=False, type="filepath", show_label=False, elem_id="song-player", editable=False,
                          buttons=[])  # fmt: skip
        wrong = gr.Markdown(elem_id="song-problems")
        controls = {n: _control(words, n) for n in ("caption", "lyrics")}
        with gr.Row(elem_classes="fields"):
            controls |= {n: _control(words, n) for n in FIELDS if n not in LINES}
        with gr.Row():
            before = gr.Button(words("song_before"), size="sm", elem_id="song-before")
            save = gr.Button(words("song_save"), variant="primary", size="sm", elem_id="song-save")
            accept = gr.Button(words("song_accept"), size="sm", elem_id="song-accept")
            after = gr.Button(words("song_after"), size="sm", elem_id="song-after")
    now = gr.State({})
    inputs = [controls[n] for n in FIELDS]
    outputs = [now, box, title, wrong, player, *inputs]

    def opened(songs: list[Mapping[str, Any]], place: int, txt: str) -> list[Any]:
        song = songs[place]
        song, sound = _read(shell, str(song["path"]), txt)
        return [{"place": place, **song}, *_shown(song, sound(), words)]

    def chosen(songs: list[Mapping[str, Any]], txt: str, event: gr.SelectData) -> list[Any]:
        name = event.row_value[0]
        place = next(n for n, s in enumerate(songs) if Path(s["path"]).name == name)
        return opened(songs, place, txt)

    def step(by: int) -> Any:
        return lambda songs, txt, now: opened(songs, (now["place"] + by) % len(songs), txt)

    def saved(known: Mapping[str, Any], now: Mapping[str, Any], txt: str, accepts: bool, *values: str) -> list[Any]:
        said = {n: v or "" for n, v in zip(FIELDS, values, strict=True) if (v or "") != as_text(now[n])}
        taken = [n for n in now["unreviewed"] if n not in said] if accepts else []
        *seen, song, sound = corrected(shell, known, {"song": now["path"], "txt": txt, **said, "accept": taken})
        return [*seen, {"place": now["place"], **song}, *_shown(song, sound(), words)]

    shell.when(dataset.table.select, chosen, [dataset.songs, dataset.txt], outputs)
    shell.when(before.click, step(-1), [dataset.songs, dataset.txt, now], outputs)
    shell.when(after.click, step(1), [dataset.songs, dataset.txt, now], outputs)
    for button, accepts in ((save, False), (accept, True)):
        shell.when(button.click, lambda known, n, txt, *v, a=accepts: saved(known, n, txt, a, *v),
                   [dataset.corrected, now, dataset.txt, *inputs],
                   [dataset.corrected, dataset.read, *outputs])  # fmt: skip


def _control(words: Words, name: str) -> Any:
    told = {"label": words.label(name), "elem_id": f"song-{name}"}
    if name in KNOWN:
        choices = [(words("unset"), ""), *((words.value(v), str(v)) for v in KNOWN[name] if v != "unknown")]
        return gr.Dropdown(choices, value="", allow_custom_value=True, **told)
    lines = LINES.get(name, 1)
    return gr.Textbox("", lines=lines, max_lines=max(lines, 14) if lines > 1 else 1, **told)


def corrected(shell: Shell, known: Mapping[str, Any], said: Mapping[str, Any]) -> list[Any]:
    """Correct a song: `Dataset.corrected`, which is `known`, and `Dataset.read` then, and what `_read` gives."""
    shell.work.finished("correct", said)
    song, sound = _read(shell, str(said["song"]), str(said["txt"]))
    return [{**known, song["path"]: song}, f"{song['path']} {song['read_at']}", song, sound]


def _read(shell: Shell, path: str, txt: str) -> tuple[dict[str, Any], Callable[[], str]]:
    """All of a song, with when it was read, and what fetches its sound."""
    job = shell.work.start("song", {"song": path, "txt": txt})
    song = {**shell.work.ended(job), "read_at": shell.work.job(job)["started_at"]}
    return song, lambda: str(shell.work.file(job, song["file"]))


def _shown(song: Mapping[str, Any], sound: str, words: Words) -> list[Any]:
    wrong = [problem_line(p, words) for p in song["problems"]]
    wrong += [f"{words.label(i['field'])}: {words.said(why)}" for i in song["review"] for why in i["why"]]
    told = [f"- {line}" for line in wrong]
    title = f"**{Path(song['path']).name}** · {song['duration_s']:.1f} s · {song['rate_hz']} Hz"
    values = [_told(song, n, words) for n in FIELDS]
    return [gr.update(visible=True), title, "\n".join(told), sound, *values]


def _told(song: Mapping[str, Any], name: str, words: Words) -> Any:
    """The value, and who gave it and how sure."""
    source, sure = song["sources"].get(name, ""), song["confidence"].get(name)
    told = words("from_source", source=source) if source else ""
    told += f" · {sure:.0%}" if sure is not None else ""
    told += f" · {words('unread')}" if name in song["unreviewed"] else ""
    return gr.update(value=as_text(song[name]), info=told)
