"""Sounds on the page: players of fetched results, and places in a request that a sound stands for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.fields import Field
from acestep_plugins.commands.ui.shell import Shell
from acestep_plugins.commands.ui.words import Words

SOUNDS = ("source", "timbre")
PEAKS = 400


@dataclass(frozen=True)
class SoundField(Field):
    """A field whose control is a player that sounds are dropped on."""

    def shown(self, value: Any) -> Any:
        """A sound that is on this machine; others are not shown."""
        return str(value) if value and Path(str(value)).is_file() else None

    def given(self, shown: Any) -> Any:
        return str(shown) if shown else None


def sound_control(field: Field, words: Words, prefix: str, **how: Any) -> tuple[SoundField, Any]:
    """The field as one of a sound, and its control."""
    player = gr.Audio(
        type="filepath", sources=["upload", "microphone"], label=words.label(field.name, field.owner),
        elem_id=f"{prefix}{field.owner}-{field.name}", editable=False, buttons=["download"], **how,
    )  # fmt: skip
    return SoundField(field.name, field.schema, field.owner), player


def path_in(shell: Shell, player: Any) -> Any:
    """The path of the sound in a player, whose change is that of the sound; see `Shell.text`.

    What Gradio calls the change of a player comes with each event that the player is asked in: what is done then, and
    asks the player too, would be done again and again.
    """
    path = shell.text()
    shell.in_browser(player.change, "(sound) => sound ? sound.path : ''", [player], [path])
    return path


def peaks_of(path: str | Path | None) -> tuple[list[float], float]:
    """How loud each of many parts of a sound is, from 0 to 1, and its length in seconds; nothing of nothing."""
    if not path:
        return [], 0.0
    import numpy as np
    import soundfile

    with soundfile.SoundFile(str(path)) as sound:
        frames, rate = len(sound), sound.samplerate
        size = max(1, -(-frames // PEAKS))
        loud = [float(np.abs(block).max(initial=0.0)) for block in sound.blocks(size, dtype="float32", always_2d=True)]
    most = max(loud, default=0.0) or 1.0
    return [round(v / most, 3) for v in loud], frames / rate


_DRAG = """
const at = (e) => {
  const box = element.querySelector(".wave").getBoundingClientRect();
  return Math.max(0, Math.min(1, (e.clientX - box.left) / box.width));
};
let from = null;
const show = (a, b) => {
  const chosen = element.querySelector(".chosen");
  chosen.style.left = 100 * Math.min(a, b) + "%";
  chosen.style.width = 100 * Math.abs(b - a) + "%";
};
element.addEventListener("pointerdown", (e) => {
  if (!e.target.closest(".wave")) return;
  from = at(e); element.setPointerCapture(e.pointerId); show(from, from);  // the wave itself may be drawn anew
});
element.addEventListener("pointermove", (e) => { if (from !== null) show(from, at(e)); });
element.addEventListener("pointerup", (e) => {
  if (from === null) return;
  const length = Number(element.querySelector(".wave").dataset.seconds), to = at(e);
  const ends = [Math.min(from, to) * length, Math.max(from, to) * length].map((s) => Math.round(s * 100) / 100);
  from = null;
  if (ends[1] - ends[0] < 0.05) return;
  trigger("submit", {chosen: ends});
});
"""


def region(words: Words, name: str) -> Any:
    """A waveform on which a region is drawn; it triggers `submit` with the ends in seconds."""
    return gr.HTML("", js_on_load=_DRAG, elem_id=name, label=words("region"))


def wave_svg(path: str | None, start: float = 0.0, end: float = -1.0) -> str:
    """The waveform of a sound, with a region marked."""
    loud, seconds = peaks_of(path)
    if not loud:
        return ""
    bars = "".join(f'<rect x="{i}" y="{50 - 48 * v:.1f}" width=".8" height="{max(1.0, 96 * v):.1f}"/>'
                   for i, v in enumerate(loud))  # fmt: skip
    left, right = max(0.0, start) / seconds, (seconds if end == -1 else min(end, seconds)) / seconds
    return (f'<div class="wave" data-seconds="{seconds:.4f}">'
            f'<svg viewBox="0 0 {len(loud)} 100" preserveAspectRatio="none" fill="currentColor">{bars}</svg>'
            f'<div class="chosen" style="left:{left:.2%};width:{max(0.0, right - left):.2%}"></div></div>')  # fmt: skip
