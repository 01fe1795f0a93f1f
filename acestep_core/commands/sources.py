"""The options by which commands are told how to read a source of songs."""

from collections import Counter
from typing import Any, get_args

import click

from acestep_core.data import usable
from acestep_core.dataset import Dataset
from acestep_core.scan import TxtMeaning


def source_options(command: Any) -> Any:
    """Adds --txt and --kohya, for `Dataset.open`."""
    command = click.option(
        "--kohya", is_flag=True, help="Read the numbers of N_name folders as repeats, as Kohya's tools do."
    )(command)
    return click.option(
        "--txt", type=click.Choice(get_args(TxtMeaning)),
        help="What a bare {stem}.txt is: upstream calls it lyrics, Kohya caption; fields are "
        "'key: value' lines.  [default: lyrics; must be said with "
        "--kohya and metadata files]",
    )(command)  # fmt: skip


def repeats_told(dataset: Dataset) -> list[str]:
    """A line per folder whose songs an epoch shows more than once."""
    counts = Counter((s.path.parent.name, s.repeats) for s in usable(dataset.songs) if s.repeats > 1)
    return [
        f"{folder}: {songs} song{'s' * (songs > 1)} x {repeats} repeats = {songs * repeats} an epoch"
        for (folder, repeats), songs in counts.items()
    ]
