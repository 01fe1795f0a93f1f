"""acestep-core report"""

from dataclasses import asdict
from pathlib import Path

import click

from acestep_core.checkpoint import read_model
from acestep_core.commands.runs import show
from acestep_core.console import print_json
from acestep_core.deltas import read_deltas, write_deltas
from acestep_core.errors import UserError
from acestep_core.registry import registry
from acestep_core.report.diagnosis import diagnose
from acestep_core.report.facts import read_facts
from acestep_core.report.listening import EMBED_MB
from acestep_core.report.page import FILE, write_report
from acestep_core.run import Run


@click.command("report")
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The page to write; RUN/report.html unless given.")
@click.option("--embed-mb", type=click.FloatRange(0), default=EMBED_MB, show_default=True,
              help="Most megabytes of sounds inside the page; it links to the others.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what is in it as JSON.")
def command(folder: Path, out: Path | None, embed_mb: float, as_json: bool) -> None:
    """One page that needs nothing else: settings, curves, samples with and without the adapter, what is wrong.

    `train` writes it at the end of a run. Of a run that goes on it shows what there is.
    """
    out = out or folder / FILE
    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"{out} is no page", "give a name that ends in .html")
    facts = read_facts(folder, registry())
    if not out.parent.is_dir():
        raise UserError(f"There is no folder {out.parent}", f"mkdir {out.parent}")
    if _measured(Run(folder)):
        facts = read_facts(folder, registry())
    found = diagnose(facts)
    sounds = write_report(facts, out, embed_mb)
    if as_json:
        print_json({"report": out, "sounds": len(sounds.inside), "linked": sounds.beside,
                    "findings": [asdict(f) for f in found]})  # fmt: skip
        return
    show(found)
    if sounds.beside:
        click.echo(f"note: {len(sounds.beside)} files are beside the page, not in it: --embed-mb says how many may be")
    click.echo(f"written: {out}")


def _measured(run: Run) -> bool:
    """Whether it was found now how much the adapter changes: where it was not yet, and the model is still there."""
    model = Path(run.settings().get("paths", {}).get("model", ""))
    lacking = run.adapter.is_dir() and read_deltas(run) is None and (model / "config.json").is_file()
    if lacking:
        write_deltas(run, read_model(model), registry())
    return lacking
