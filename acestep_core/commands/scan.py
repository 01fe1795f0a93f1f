"""acestep-core scan"""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import PluginName, open_model
from acestep_core.commands.sources import repeats_told, source_options
from acestep_core.config import plugin_options
from acestep_core.console import STOPPED, Ticker, clock, print_json, table
from acestep_core.data import FIELDS, Song, names, usable
from acestep_core.dataset import Dataset
from acestep_core.dataset_facts import dataset_facts
from acestep_core.findings import note_lengths
from acestep_core.inspection import Sound, inspect_songs

UNREVIEWED = "?"


@click.command("scan")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@source_options
@click.option("--deep", is_flag=True, help="Decode every file: cut off, silent, clipped, mono in stereo.")
@click.option("--jobs", type=click.IntRange(1), help="Files decoded at a time by --deep.  [default: processors]")
@click.option("--model", type=click.Path(path_type=Path), help="Folder with the checkpoints, to count tokens exactly.")
@click.option("--variant", help="Which model, when that folder holds several.")
@click.option("--backend", default="pt", show_default=True, type=PluginName("backends"), metavar="NAME",
              help="Backend plugin that counts with --model.")  # fmt: skip
@click.pass_obj
def command(config: dict[str, Any], source: Path, as_json: bool, txt: str | None, kohya: bool, deep: bool,
            jobs: int | None, model: Path | None, variant: str | None, backend: str) -> None:  # fmt: skip
    """Show the songs in SOURCE (a folder, dataset.json or dataset TOML): labels, where they come from, problems.

    Labels come, per field, from {stem}.json, then *.csv, then {stem}.caption.txt, then the tags inside the file;
    lyrics from {stem}.lyrics.txt, then {stem}.txt, .lrc, .srt or .vtt, then the tags. A song with a problem is left
    out by everything, one with notes is used. Exit code 1 if a song has a problem, 130 if Ctrl-C stopped --deep.
    """
    count = None
    if model is not None:
        count = open_model(model, variant, backend, plugin_options(config, "backends", backend)).text.count
    dataset = Dataset.open(source, txt, kohya=kohya)
    sounds = _listen(dataset, jobs) if deep else {}
    note_lengths(dataset.captions(), count)
    show(dataset, as_json, sounds)
    sys.exit(1 if dataset.problems or any(s.problems for s in dataset.songs) else 0)


def _listen(dataset: Dataset, jobs: int | None) -> Mapping[Path, Sound]:
    ticker = Ticker("listened to", len(usable(dataset.songs)))
    try:
        return inspect_songs(dataset.songs, jobs, lambda song, number, total: ticker.update(number, song.path.name))
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing was written.", err=True)
        sys.exit(STOPPED)


def show(dataset: Dataset, as_json: bool, sounds: Mapping[Path, Sound] | None = None) -> None:
    """The table or JSON of a dataset; `sounds` are what listening measured, by path."""
    if as_json:
        print_json(dataset_facts(dataset, sounds))
        return
    columns = ("song", "length", "lyrics", "labelled", "bpm", "key", "metre", "lang", "caption", "problems")
    called = names(dataset.songs)
    table(columns, [_row(s, called[s.path]) for s in dataset.songs], right=("length", "bpm"))
    for song in dataset.songs:
        for line in (*song.problems, *song.notes):
            click.echo(f"{called[song.path]}: {line}")
    for line in (*dataset.problems, *dataset.notes):
        click.echo(str(line))
    for line in repeats_told(dataset):
        click.echo(line)
    unreviewed = Counter(name for s in dataset.songs for name in s.unreviewed)
    if unreviewed:
        fields = ", ".join(f"{name} {unreviewed[name]}" for name in FIELDS if unreviewed[name])
        click.echo(f"{UNREVIEWED} means that a plugin gave the value and nobody has accepted it yet ({fields}): "
                   "see 'acestep-core review'.")  # fmt: skip
    good = usable(dataset.songs)
    length = clock(sum(s.duration_s for s in good))
    click.echo(f"{len(good)} of {len(dataset.songs)} songs can be used, {length} of music, "
               f"{sum(s.labelled for s in good)} with a caption.")  # fmt: skip


def _row(song: Song, name: str) -> tuple[Any, ...]:
    lyrics = f"{len(song.lyrics.split())} words" if song.lyrics and not song.instrumental else "-"
    caption = song.caption if len(song.caption) <= 40 else f"{song.caption[:39]}…"
    values = {f: marked(song, f) for f in ("bpm", "keyscale", "timesignature", "language")}
    return (name, clock(song.duration_s), marked(song, "lyrics", lyrics), "yes" if song.labelled else "no",
            *values.values(), marked(song, "caption", caption), len(song.problems) or "")  # fmt: skip


def marked(song: Song, name: str, shown: Any = None) -> str:
    """The value of a field as people see it: with a mark while it is a plugin's word alone."""
    value = getattr(song, name) if shown is None else shown
    return f"{'' if value is None else value}{UNREVIEWED if name in song.unreviewed else ''}"
