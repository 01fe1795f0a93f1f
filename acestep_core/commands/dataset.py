"""acestep-core dataset save | load | check | export"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from acestep_core.commands import dataset_check
from acestep_core.commands.scan import show
from acestep_core.commands.sources import source_options
from acestep_core.console import Ticker
from acestep_core.data import OVERRIDES, names, usable
from acestep_core.dataset import Dataset
from acestep_core.dataset_file import POSITIONS
from acestep_core.errors import UserError
from acestep_core.exporting import FORMATS, export


@click.group("dataset")
def command() -> None:
    """Save, load, check and export datasets, in the reference's schema and others."""


command.add_command(dataset_check.command)


@command.command("save")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("dataset.json"), show_default=True)
@source_options
@click.option("--name", help="Name of the dataset; the folder's if not given.")
@click.option("--trigger", help="Tag put into every caption.")
@click.option("--trigger-position", type=click.Choice(POSITIONS), help="[default: prepend]")
@click.option("--genre-ratio", type=click.IntRange(0, 100), help="Percent of songs prompted by genre.")
@click.option("--all-instrumental/--has-vocals", default=None,
              help="What songs without lyrics are: without voice, or with words not known yet.")  # fmt: skip
@click.option("--prompt", "prompts", multiple=True, metavar="SONG=caption|genre",
              help="What this song is prompted by, whatever is drawn; SONG= takes it back.")  # fmt: skip
@click.option("--song-trigger", "triggers", multiple=True, metavar="SONG=TAG",
              help="A tag for this song in place of --trigger; SONG= takes it back.")  # fmt: skip
@click.option("--validation", type=click.FloatRange(0, 0.9), help="Share of the songs to hold out from training.")
@click.option("--split-seed", type=click.IntRange(0), default=0, show_default=True, help="Draws the songs held out.")
@click.option("--split-again", is_flag=True, help="Draw all anew, also songs that have a side.")
def save(source: Path, out: Path, txt: str | None, kohya: bool, prompts: tuple[str, ...], triggers: tuple[str, ...],
         validation: float | None, split_seed: int, split_again: bool, **given: Any) -> None:  # fmt: skip
    """Write the songs of SOURCE to a file that the reference and this program read.

    If SOURCE is such a file itself, its settings stay but for those given here. Songs that belong together (the same
    recording, file name or lyrics) are held out together.
    """
    dataset = Dataset.open(source, txt, kohya=kohya)
    settings = {"custom_tag": given.pop("trigger"), "tag_position": given.pop("trigger_position"), **given}
    dataset.metadata |= {k: value for k, value in settings.items() if value is not None}
    _set(dataset, prompts, "prompt_override")
    _set(dataset, triggers, "custom_tag")
    if validation is not None:
        dataset.hold_out(validation, split_seed, split_again)
    dataset.save(out)
    _say_saved(dataset, out)
    sys.exit(1 if dataset.problems or len(usable(dataset.songs)) < len(dataset.songs) else 0)


def _set(dataset: Dataset, pairs: tuple[str, ...], name: str) -> None:
    called = {n: s for s in dataset.songs for n in (names(dataset.songs)[s.path],)}
    for pair in pairs:
        song, _, value = pair.rpartition("=")
        if song not in called:
            raise UserError(f"There is no song '{song or pair}'", f"write SONG=VALUE with one of {', '.join(called)}")
        if name == "prompt_override" and (value or None) not in OVERRIDES:
            raise UserError(f"A song is not prompted by '{value}'", f"write {song}=caption or {song}=genre")
        setattr(called[song], name, value or (None if name == "prompt_override" else ""))


def _say_saved(dataset: Dataset, out: Path) -> None:
    called = names(dataset.songs)
    for song in dataset.songs:
        for problem in song.problems:
            click.echo(f"left out {called[song.path]}: {problem}", err=True)
    for problem in dataset.problems:
        click.echo(str(problem), err=True)
    for name in dataset.without_words():
        click.echo(
            f"{name}: no lyrics though it has a voice; transcribe it, or it is encoded as instrumental", err=True
        )
    songs = usable(dataset.songs)
    bare = sum(not s.labelled for s in songs)
    if bare:
        click.echo(
            f"{bare} songs have no caption: the reference's trainer leaves them out, this one does not.", err=True
        )
    sides = Counter(s.split for s in songs if s.split)
    held = f", {sides['validation']} of them held out" if sides else ""
    click.echo(f"{out}: {len(songs)} songs{held}.")


@command.command("load")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def load(file: Path, as_json: bool) -> None:
    """Check a dataset.json (ours or the reference's) and show it."""
    dataset = Dataset.load(file)
    show(dataset, as_json)
    sys.exit(1 if dataset.problems or any(s.problems for s in dataset.songs) else 0)


@command.command("export")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(tuple(FORMATS)), required=True,
              help="csv: a table like Key-BPM-Finder's. audiofolder: a folder for Hugging Face datasets.")  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True)
@click.option("--link", is_flag=True, help="Hard links in place of copies of the audio.")
@source_options
def export_command(source: Path, kind: str, out: Path, link: bool, txt: str | None, kohya: bool) -> None:
    """Write the songs of SOURCE for other programs. Songs with problems are left out."""
    dataset = Dataset.open(source, txt, kohya=kohya)
    ticker = Ticker("export", len(usable(dataset.songs)))
    written = export(dataset, out, kind, link=link, on_song=lambda done, total, name: ticker.update(done, name))
    called = names(dataset.songs)
    for song in [s for s in dataset.songs if s.problems]:
        click.echo(f"left out {called[song.path]}: {song.problems[0]}", err=True)
    for problem in [*dataset.problems, *written.problems]:
        click.echo(str(problem), err=True)
    click.echo(f"{out}: {written.songs} songs.")
    sys.exit(1 if dataset.problems or written.problems or any(s.problems for s in dataset.songs) else 0)
