"""acestep-core models list | show | plan | download | tiny"""

from pathlib import Path
from typing import Any

import click

from acestep_core.checkpoint import TEXT, VAE, open_checkpoint
from acestep_core.commands.downloading import FOLDER, FOLDER_ENV, download_command
from acestep_core.commands.models_plan import plan_command
from acestep_core.console import print_json, table
from acestep_core.fitting import fits
from acestep_core.hub.catalogue import PARTS
from acestep_core.hub.record import read_record
from acestep_core.installed import Installed, installed
from acestep_core.registry import registry

MODEL = PARTS["acestep-v15-turbo"]
BACKEND = "pt"  # whose memory "fits" is about


@click.group("models")
def command() -> None:
    """List, show, download and make checkpoint folders."""


command.add_command(download_command)
command.add_command(plan_command)


@command.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=FOLDER, envvar=FOLDER_ENV)
@click.option("--available", is_flag=True, help="What can be downloaded, instead.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_command(folder: Path, available: bool, as_json: bool) -> None:
    """What FOLDER holds, whether it is all there, and whether it fits this device.

    FOLDER is 'models', or what ACESTEP_CHECKPOINTS_DIR says. Fits: yes; in turn (one part at a time),
    with 8 bits, or no.
    """
    if available:
        _available(folder, as_json)
        return
    found = installed(folder)
    backend = registry().make("backends", BACKEND)
    device, free = backend.settings().get("device", BACKEND), backend.room()
    whole = {VAE, TEXT} <= {p.name for p in found if not p.problems}
    rows = [_facts(p, folder, whole) for p in found]
    if as_json:
        models, parts = ([r for r in rows if (r["kind"] == "model") is wanted] for wanted in (True, False))
        print_json({"folder": folder, "device": device, "free_bytes": free, "models": models, "parts": parts})
        return
    table(("name", "what", "variant", "parameters", "on disk", "fits", "state"), [
        (r["name"], r["kind"], r["variant"], f"{r['parameters'] / 1e6:.1f} M", _gb(r["bytes"]), r["fits"],
         "; ".join(r["problems"]) or "complete") for r in rows
    ], right=("parameters", "on disk"))  # fmt: skip
    if free is not None:
        click.echo(f"{device}: {_gb(free)} of memory free")
    names, kinds = {p.name for p in found}, {p.kind for p in found}
    for lacking in [*[PARTS[n] for n in (VAE, TEXT) if n not in names], *[MODEL] * ("model" not in kinds)]:
        click.echo(f"no {lacking.kind}: acestep-core models download {lacking.name} --to {folder}")


def _facts(part: Installed, folder: Path, whole: bool) -> dict[str, Any]:
    """A model's place on the device can be told when the parts that it shares are there."""
    record = read_record(part.folder)
    told = whole and part.kind == "model" and not part.problems
    return {
        "name": part.name,
        "folder": str(part.folder),
        "kind": part.kind,
        "variant": part.model.variant if part.model else None,
        "parameters": part.parameters,
        "bytes": part.size,
        "complete": not part.problems,
        "problems": list(part.problems),
        "fits": fits(open_checkpoint(folder, part.folder.name), BACKEND, registry()) if told else None,
        "repository": record.repo if record else None,
        "revision": record.revision if record else None,
        "licence": record.licence if record else None,
    }


def _available(folder: Path, as_json: bool) -> None:
    have = {p.name for p in installed(folder) if not p.problems} if folder.is_dir() else set()
    if as_json:
        print_json([{"name": p.name, "kind": p.kind, "repository": p.repo, "about_gb": p.about_gb, "about": p.about,
                     "installed": p.name in have} for p in PARTS.values()])  # fmt: skip
        return
    rows = [(p.name, p.kind, f"{p.about_gb:.1f} GB", "yes" if p.name in have else "", p.about) for p in PARTS.values()]
    table(("name", "what", "about", "installed", ""), rows, right=("about",))
    click.echo("Others: acestep-core models download OWNER/NAME")


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


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
