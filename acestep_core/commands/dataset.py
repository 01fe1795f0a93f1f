"""acestep-core dataset save | load"""

import sys
from pathlib import Path

import click

from acestep_core.commands.scan import show
from acestep_core.dataset import Dataset


@click.group("dataset")
def command() -> None:
    """Save, load and check dataset.json files in the reference's schema."""


@command.command("save")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("dataset.json"), show_default=True)
@click.option("--txt", type=click.Choice(["lyrics", "caption", "ignore"]), default="lyrics", show_default=True,
              help="What a bare {stem}.txt is.")  # fmt: skip
@click.option("--name", help="Name of the dataset; the folder's if not given.")
@click.option("--trigger", default="", help="Tag put into every caption.")
@click.option("--trigger-position", type=click.Choice(["prepend", "append", "replace"]), default="prepend")
@click.option("--genre-ratio", type=click.IntRange(0, 100), default=0, help="Percent of songs prompted by genre.")
def save(source: Path, out: Path, txt: str, name: str | None, trigger: str, trigger_position: str,
         genre_ratio: int) -> None:  # fmt: skip
    """Write the songs of SOURCE to a file that the reference and this program read."""
    dataset = Dataset.open(source, txt)
    settings = {"custom_tag": trigger, "tag_position": trigger_position, "genre_ratio": genre_ratio}
    dataset.metadata |= settings | ({"name": name} if name else {})
    dataset.save(out)
    failed = [s for s in dataset.songs if s.problems]
    for song in failed:
        for problem in song.problems:
            click.echo(f"left out {song.path.name}: {problem}", err=True)
    click.echo(f"{out}: {len(dataset.songs) - len(failed)} songs.")
    sys.exit(1 if failed or dataset.problems else 0)


@command.command("load")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def load(file: Path, as_json: bool) -> None:
    """Check a dataset.json (ours or the reference's) and show it."""
    dataset = Dataset.load(file)
    show(dataset, as_json)
    sys.exit(1 if dataset.problems or any(s.problems for s in dataset.songs) else 0)
