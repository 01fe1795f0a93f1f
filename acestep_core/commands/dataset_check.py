"""acestep-core dataset check"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from acestep_core.checking import Check, Coverage, check
from acestep_core.commands.sources import source_options
from acestep_core.console import clock, print_json, table
from acestep_core.dataset import Dataset
from acestep_core.errors import UserError
from acestep_core.kohya.subsets import KohyaDataset
from acestep_core.train_settings import EPOCHS, TrainSettings

_NAMED = 5  # songs without a label are named up to this many


@click.command("check")
@click.argument("source", type=click.Path(path_type=Path))
@source_options
@click.option("--batch-size", type=click.IntRange(1), help="As for train.  [default: the dataset TOML's, else 1]")
@click.option("--accumulation", type=click.IntRange(1), default=1, show_default=True, help="As for train.")
@click.option("--epochs", type=click.IntRange(1), default=EPOCHS, show_default=True, help="As for train.")
@click.option("--ignore", help="As for encode: keys to go on without, such as shuffle_caption,is_reg.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(source: Path, txt: str | None, kohya: bool, batch_size: int | None, accumulation: int, epochs: int,
            ignore: str | None, as_json: bool) -> None:  # fmt: skip
    """Show what SOURCE amounts to before anything loads: repeats, labels, lengths, steps, problems.

    SOURCE is a folder, a dataset.json, a dataset TOML or a metadata JSON or JSONL. Exit code 1 if there is a problem.
    """
    try:
        dataset = Dataset.open(source, txt, kohya=kohya)
    except UserError as e:
        if not as_json:
            raise
        print_json({"problems": [str(e)]})
        sys.exit(1)
    size = batch_size or _batch_size(dataset)
    plan = TrainSettings(batch_size=size, accumulation=accumulation, epochs=epochs)
    found = check(dataset, plan, ignored(ignore))
    show_json(found) if as_json else show(found)
    sys.exit(1 if found.problems else 0)


def ignored(keys: str | None) -> tuple[str, ...]:
    """The keys of --ignore a,b."""
    return tuple(k.strip() for k in (keys or "").split(",") if k.strip())


def _batch_size(dataset: Dataset) -> int:
    subsets = dataset.subsets if isinstance(dataset, KohyaDataset) else []
    return subsets[0]["batch_size"] if subsets else 1


def show_json(found: Check) -> None:
    content = asdict(found) | {"plan": {k: getattr(found.plan, k) for k in ("batch_size", "accumulation", "epochs")}}
    content["buckets"] = [asdict(b) | {"padding": round(b.padding, 4)} for b in found.buckets]
    print_json(content)


def show(found: Check) -> None:
    """Tables of folders and buckets, coverage, the sum of steps, and everything that is wrong."""
    columns = ("folder", "repeats", "trigger", "songs", "minutes", "shown", "steps")
    rows = [(p.name, p.repeats, p.tag, p.songs, f"{p.seconds / 60:.1f}", p.shown, p.steps) for p in found.parts]
    table(columns, rows, right=("repeats", "songs", "minutes", "shown", "steps"))
    click.echo()
    columns = ("up to", "songs", "shown", "minutes", "padding")
    lengths = [(clock(b.end_s), b.songs, b.shown, f"{b.seconds / 60:.1f}", f"{b.padding:.0%}") for b in found.buckets]
    table(columns, lengths, right=columns)
    click.echo(f"Batches would pad {found.padding:.0%} in these buckets, {found.padding_to_longest:.0%} up to the "
               "longest song; train batches songs of like length, and padding reaches nothing.\n")  # fmt: skip
    for name, coverage in (("captions", found.captions), ("lyrics", found.lyrics), ("trigger", found.trigger)):
        click.echo(f"{name:9} {_covered(coverage, name)}")
    for name, variants in found.variants.items():
        click.echo(f"{name}: " + ", ".join(f"{k} = {_value(v)}" for k, v in variants.items()))
    held = f" ({found.held_out} more held out)" if found.held_out else ""
    click.echo(f"\n{found.songs} songs{held}, {clock(found.seconds)} of music; with repeats {found.shown} an epoch, "
               f"{clock(found.shown_seconds)}; latents {found.latents_bytes / 1e6:.1f} MB.")  # fmt: skip
    plan = found.plan
    click.echo(f"{found.shown} / (batch size {plan.batch_size} x accumulation {plan.accumulation}) = "
               f"{found.steps_per_epoch} steps an epoch, {found.steps} in {plan.epochs} epochs.")  # fmt: skip
    for line in found.notes:
        click.echo(f"note: {line}")
    for line in found.problems:
        click.echo(f"problem: {line}")


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _covered(coverage: Coverage, name: str) -> str:
    if not coverage.of:
        return "none was said" if name == "trigger" else "-"
    sources = ", ".join(f"{count} {source}" for source, count in sorted(coverage.sources.items()))
    line = f"{coverage.have} of {coverage.of} songs" + (f" ({sources})" if sources else "")
    missing = coverage.without[:_NAMED] + (["..."] if len(coverage.without) > _NAMED else [])
    return line + (f"; not {', '.join(missing)}" if missing else "")
