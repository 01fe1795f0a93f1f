"""acestep-core dataset save | load"""

import sys
from pathlib import Path

import click

from acestep_core.commands.scan import show
from acestep_core.data import names, usable
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
@click.option("--trigger", help="Tag put into every caption.")
@click.option("--trigger-position", type=click.Choice(["prepend", "append", "replace"]), help="[default: prepend]")
@click.option("--genre-ratio", type=click.IntRange(0, 100), help="Percent of songs prompted by genre.")
def save(source: Path, out: Path, txt: str, name: str | None, trigger: str | None, trigger_position: str | None,
         genre_ratio: int | None) -> None:  # fmt: skip
    """Write the songs of SOURCE to a file that the reference and this program read.

    If SOURCE is such a file itself, its settings stay but for those given here.
    """
    dataset = Dataset.open(source, txt)
    given = {"name": name, "custom_tag": trigger, "tag_position": trigger_position, "genre_ratio": genre_ratio}
    dataset.metadata |= {k: value for k, value in given.items() if value is not None}
    dataset.save(out)
    called = names(dataset.songs)
    for song in dataset.songs:
        for problem in song.problems:
            click.echo(f"left out {called[song.path]}: {problem}", err=True)
    for problem in dataset.problems:
        click.echo(str(problem), err=True)
    click.echo(f"{out}: {len(usable(dataset.songs))} songs.")
    sys.exit(1 if dataset.problems or len(usable(dataset.songs)) < len(dataset.songs) else 0)


@command.command("load")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def load(file: Path, as_json: bool) -> None:
    """Check a dataset.json (ours or the reference's) and show it."""
    dataset = Dataset.load(file)
    show(dataset, as_json)
    sys.exit(1 if dataset.problems or any(s.problems for s in dataset.songs) else 0)
