"""Timed lyrics beside clips that were just made."""

from pathlib import Path

import click

from acestep_core.alignment.clips import open_clip, time_clip
from acestep_core.alignment.listening import Listening
from acestep_core.alignment.timed import lrc
from acestep_core.commands.generating import Done
from acestep_core.console import Ticker
from acestep_core.errors import FatalError, OutOfMemory, UserError
from acestep_core.files import write_text
from acestep_core.model import Model


def time_beside(model: Model, made: Done) -> None:
    """Write FILE.lrc beside each clip made, and beside those that were there without one.

    One that cannot be timed, such as an instrumental, is told and stays as it is.
    """
    clips = [w.path for w in made.clips] + [p for p in made.kept if not _beside(p).exists()]
    ticker = Ticker("lrc", len(clips))
    for done, path in enumerate(clips, 1):
        try:
            write_text(_beside(path), lrc(time_clip(model, open_clip(path), Listening())))
        except (OutOfMemory, FatalError):
            raise
        except UserError as e:
            click.echo(f"note: {path.name} gets no .lrc: {e}", err=True)
        ticker.update(done)


def _beside(clip: Path) -> Path:
    return clip.with_suffix(".lrc")
