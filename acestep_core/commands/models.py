"""acestep-core models list | show | tiny"""

from pathlib import Path

import click

from acestep_core.checkpoint import LM_PREFIX, TEXT, VAE, list_models, open_checkpoint
from acestep_core.console import print_json, table
from acestep_core.registry import registry


@click.group("models")
def command() -> None:
    """List, show and make checkpoint folders."""


@command.command("list")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_command(folder: Path, as_json: bool) -> None:
    """The models in FOLDER and the parts they share."""
    found = [m.describe() for m in list_models(folder)]
    parts = [n for n in (VAE, TEXT) if (folder / n / "config.json").is_file()]
    parts += sorted(p.name for p in folder.glob(f"{LM_PREFIX}*") if p.is_dir())
    if as_json:
        print_json({"models": found, "parts": parts})
        return
    rows = [(Path(m["folder"]).name, m["variant"], m["hidden_size"], m["layers"], f"{m['weights_bytes'] / 1e9:.2f} GB",
             m["default_steps"], m["default_shift"], ", ".join(m["tasks"])) for m in found]  # fmt: skip
    table(("model", "variant", "width", "layers", "weights", "steps", "shift", "tasks"), rows)
    click.echo(f"parts: {', '.join(parts) or 'none'}")


@command.command("show")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--variant", help="Which model, when the folder holds several.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(folder: Path, variant: str | None, as_json: bool) -> None:
    """Sizes, defaults and abilities of one model, from its config.json."""
    facts = open_checkpoint(folder, variant).dit.describe()
    if as_json:
        print_json(facts)
        return
    table(("what", "value"), [(k, ", ".join(v) if isinstance(v, list) else v) for k, v in facts.items()])


@command.command("tiny")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--variant", type=click.Choice(["turbo", "base"]), default="turbo", show_default=True)
def tiny(folder: Path, variant: str) -> None:
    """Write a complete checkpoint with random weights, for trying things out and for tests."""
    size = registry().make("backends", "pt").write_tiny(folder, variant)
    click.echo(f"{folder}: a complete {variant} model of {size / 1e6:.1f} MB. "
               "Its weights are random: it runs everything, and what it makes is noise.")  # fmt: skip
