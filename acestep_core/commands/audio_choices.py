"""Options of commands that write audio: how the file is encoded, its tags, and pictures beside it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from acestep_core.audio_format import AudioSettings, encoding_of, read_tag
from acestep_core.commands.choices import made, settings_options
from acestep_core.errors import UserError

_NAMED = ("title", "artist")


def audio_choices(command: Any) -> Any:
    """Adds --sample-format, --bitrate, --quality, --title, --artist and --tag."""
    command = click.option(
        "--tag", "tags", multiple=True, metavar="NAME=VALUE",
        help="Another tag: album, date, genre, tracknumber, copyright, comment, or bpm (mp3); may be repeated.",
    )(command)  # fmt: skip
    for name in reversed(_NAMED):
        command = click.option(f"--{name}", metavar="TEXT", help=f"The tag {name} in the file.")(command)
    return settings_options(AudioSettings)(command)


def picture_choice(command: Any) -> Any:
    """Adds --png."""
    text = "Draw waveform and spectrogram beside the audio, as FILE.png."
    return click.option("--png", is_flag=True, help=text)(command)


def audio_settings(given: dict[str, Any], tags: Sequence[str]) -> AudioSettings:
    """The settings out of the command's values, which are taken out of `given`."""
    named = {n: given.pop(n) for n in _NAMED}
    said = {n: text for n, text in named.items() if text is not None}
    for name, text in map(read_tag, tags):
        if name in said:
            raise UserError(f"The tag '{name}' is given twice", f"leave out --tag {name}={text}")
        said[name] = text
    of_file = {n: given.pop(n) for n in ("sample_format", "bitrate", "quality")}
    return replace(made(AudioSettings, of_file), tags=said)


def check_output(out: Path, settings: AudioSettings, png: bool) -> None:
    """Raises `UserError` before any work, where the file or the picture could not be written in the end."""
    encoding_of(out, settings)
    if png:
        from acestep_core.plots import check_picture

        out.parent.mkdir(parents=True, exist_ok=True)
        check_picture(picture_path(out))


def picture_path(audio: Path) -> Path:
    return audio.with_name(f"{audio.name}.png")


def draw_beside(wave: Any, audio: Path) -> Path:
    """The picture of that file, drawn out of its wave."""
    from acestep_core.plots import draw_sound

    return draw_sound(wave, picture_path(audio), audio.name)
