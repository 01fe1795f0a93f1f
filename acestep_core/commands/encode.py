"""acestep-core encode"""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from acestep_core.api import Executor
from acestep_core.commands.choices import (
    chosen_options,
    executor_choice,
    extension_choice,
    extension_tables,
    made,
    model_choices,
    open_model,
    plugin_choices,
    settings_options,
    taking_part,
)
from acestep_core.commands.dataset_check import ignored
from acestep_core.commands.sources import repeats_told, source_options
from acestep_core.console import Ticker, print_json
from acestep_core.dataset import Dataset
from acestep_core.encode_settings import EncodeSettings, check_settings
from acestep_core.encoding import Done, EncodeResult, encode
from acestep_core.errors import UserError
from acestep_core.kohya.variants import applied, balance_notes
from acestep_core.registry import registry


@click.command("encode")
@click.argument("source", type=click.Path(path_type=Path))
@model_choices
@click.option("--out", type=click.Path(path_type=Path), default=Path("encoded"), show_default=True)
@source_options
@click.option("--ignore", help="Go on without these keys of a dataset TOML: shuffle_caption,is_reg.")
@settings_options(EncodeSettings)
@executor_choice
@plugin_choices
@extension_choice
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_obj
def command(config: dict[str, Any], source: Path, model: Path, variant: str | None, backend: str, out: Path,
            txt: str | None, kohya: bool, ignore: str | None, executor: str, pairs: tuple[str, ...],
            extensions: tuple[str, ...], as_json: bool, **given: Any) -> None:  # fmt: skip
    """Encode the songs of SOURCE (a folder, dataset.json or dataset TOML) into --out.

    What is already there from the same inputs is kept, so a stopped run is gone on with by the same command. Exit
    code 1 if a song could not be encoded; the others are ready.
    """
    heard = extension_tables(extensions, ("backend", "executor"))
    chosen = {"backend": ("backends", backend), "executor": ("executors", executor)}
    options = chosen_options(pairs, config, registry(), chosen | heard)
    dataset = Dataset.open(source, txt, kohya=kohya)
    applied(dataset, ignored(ignore))  # told before the model is read
    settings = made(EncodeSettings, given)
    check_settings(settings)
    opened = open_model(model, variant, backend, options["backend"])
    for problem in dataset.problems:
        click.echo(f"Problem: {problem}", err=True)
    for line in repeats_told(dataset):
        click.echo(line, err=True)
    for note in [*dataset.notes, *balance_notes(dataset)]:
        click.echo(f"note: {note}", err=True)
    with taking_part({name: options[table] for table, (_, name) in heard.items()}, ("acestep_song",), "encode"):
        runner = registry().make("executors", executor, options["executor"])
        result = run(dataset, opened, out, settings, ignored(ignore), runner)
    report(result, as_json)
    if not (result.encoded or result.kept):
        raise UserError(f"No song of {source} was encoded", f"see: acestep-core scan {source}")
    sys.exit(1 if result.problems or dataset.problems else 0)


def run(
    dataset: Dataset, model: Any, out: Path, settings: EncodeSettings, ignore: Collection[str] = (),
    executor: Executor | None = None,
) -> EncodeResult:  # fmt: skip
    """Encode with progress on stderr."""
    ticker = Ticker("encode", len([s for s in dataset.songs if not s.problems]))

    def tell(done: Done) -> None:
        ticker.update(done.number, f"{done.song.path.name} {done.what}")

    return encode(dataset, model, out, settings, ignore=ignore, executor=executor, on_song=tell)


def report(result: EncodeResult, as_json: bool = False) -> None:
    if as_json:
        print_json(result.describe())
        return
    for line in result.warnings:
        click.echo(f"warning: {line}")
    for name, problems in result.problems.items():
        for problem in problems:
            click.echo(f"left out {name}: {problem}")
    click.echo(f"{result.folder}: {len(result.encoded)} songs encoded, {len(result.kept)} kept, "
               f"{len(result.problems)} left out.")  # fmt: skip
