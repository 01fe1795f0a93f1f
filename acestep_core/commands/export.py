"""acestep-core export"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from acestep_core.adapter_export import MERGED, TARGETS, adapter_of, export_adapters, named, scales_of
from acestep_core.adapters import UsedAdapter
from acestep_core.checkpoint import open_checkpoint
from acestep_core.commands.choices import made, settings_options
from acestep_core.console import Ticker, print_json, table
from acestep_core.errors import UserError
from acestep_core.export_settings import Exported, ExportSettings

_WORST = 5  # layers that are shown


@click.command("export")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN_OR_ADAPTER...")
@click.option("--to", "to", required=True, metavar="|".join(TARGETS),
              help="The program, merged for a whole model, or lora-svd for the nearest LoRA.")  # fmt: skip
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="File or folder; named after the source if left out."
)
@click.option("--checkpoint", metavar="best|last|STEP", help="Of a run; what it made in the end unless given.")
@click.option("--scale", "scales", type=float, multiple=True,
              help="Strength, 1 unless given; of several adapters that are merged one for each.")  # fmt: skip
@click.option("--model", type=click.Path(path_type=Path), help="Folder with the model, where the weights are needed.")
@click.option("--variant", help="Which model, when the folder holds several.")
@settings_options(ExportSettings)
@click.option("--force", is_flag=True, help="Replace what is at --out.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, with facts about every layer.")
def command(sources: tuple[Path, ...], to: str, out: Path | None, checkpoint: str | None, scales: tuple[float, ...],
            model: Path | None, variant: str | None, force: bool, as_json: bool, **given: Any) -> None:  # fmt: skip
    """Write an adapter for another program, at the strength it was trained at.

    What was written is read back and compared before it is called done. LoKr, LoHa, OFT and whole weights go as they
    are where the program knows them; --rank or --max-error makes a LoRA of them, and what is lost is told.
    """
    if variant is not None and model is None:
        raise UserError("--variant does nothing without --model", "add --model DIR, or leave it out")
    paths = [adapter_of(source, checkpoint) for source in sources]
    adapters = [UsedAdapter(path, scale) for path, scale in scales_of(paths, scales).items()]
    opened = open_checkpoint(model, variant) if model else None
    out = out or named(sources[0], to)
    settings = made(ExportSettings, given)
    told = _progress("layers")
    done = export_adapters(adapters, to, out, settings, model=opened, force=force, on_layer=told)
    _report(adapters, to, out, done, as_json)


def _report(adapters: Sequence[UsedAdapter], to: str, out: Path, done: Exported, as_json: bool) -> None:
    if as_json:
        used = [{"path": a.path, "scale": a.scale} for a in adapters]
        print_json({"out": out, "to": to, "adapters": used, "notes": list(done.notes), "layers": list(done.layers)})
        return
    lossy = sorted((f for f in done.layers if f.get("error", 0.0) > 0), key=lambda f: -f["error"])
    if lossy and to != MERGED:
        rows = [(f["layer"], f["rank"], f"{f['error']:.2e}") for f in lossy[:_WORST]]
        table(("layers that lose most", "rank", "error"), rows, right=("rank", "error"))
    for note in done.notes:
        click.echo(note)
    click.echo(f"written: {out}")


def _progress(label: str) -> Any:
    tickers: dict[int, Ticker] = {}
    return lambda done, total: tickers.setdefault(total, Ticker(label, total)).update(done)
