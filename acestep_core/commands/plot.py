"""acestep-core plot"""

import sys
from pathlib import Path

import click

from acestep_core.commands.audio_choices import draw_beside, picture_path
from acestep_core.errors import UserError


@click.command("plot")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="AUDIO...")
def command(files: tuple[Path, ...]) -> None:
    """Draw the waveform and the spectrogram of audio files, each beside it as FILE.png.

    Exit code 1 if a file could not be drawn; the others are.
    """
    from acestep_core.audio import read_stereo
    from acestep_core.plots import check_picture

    check_picture(Path("sound.png"))
    failed = False
    for file in files:
        try:
            check_picture(picture_path(file))
            click.echo(f"drawn: {draw_beside(read_stereo(file), file)}")
        except UserError as e:
            failed = True
            click.echo(f"{file}: {e.problem}; {e.hint}", err=True)
        except OSError as e:
            failed = True
            click.echo(f"{file}: cannot be read or drawn ({e.strerror}); check its permissions", err=True)
    sys.exit(1 if failed else 0)
