"""acestep-core adapters show | convert"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from acestep_core.adapters import recognised
from acestep_core.checkpoint import ModelInfo, open_checkpoint
from acestep_core.console import Ticker, print_json, table
from acestep_core.errors import UserError, raise_all
from acestep_core.registry import registry

TARGETS = ("peft", "comfyui", "diffusers", "lycoris", "merged")
_FOLDERS = ("peft", "merged")


@click.group("adapters")
def command() -> None:
    """Show what an adapter file holds, and write it for other programs."""


@command.command("show")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(files: tuple[Path, ...], as_json: bool) -> None:
    """Kind, layout, layers, rank, strength and size of the change of adapter files or folders, and for which model."""
    shown, problems = [], []
    for file in files:
        try:
            shown.append({"file": str(file), **recognised(file, registry()).describe(file)})
        except UserError as e:
            problems.append(e)
    if as_json:
        print_json({"adapters": shown, "problems": [str(p) for p in problems]})
    else:
        for facts in shown:
            _print(facts)
    for problem in problems:
        click.echo(f"Problem: {problem}", err=True)
    sys.exit(1 if problems else 0)


@command.command("convert")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", "to", required=True, type=click.Choice(TARGETS), help="The program, or merged: a whole model.")
@click.option("--out", type=click.Path(path_type=Path), help="File or folder to write; named after FILE unless given.")
@click.option("--rank", type=click.IntRange(1), help="Rank where the adapter has to become a LoRA; 64 unless given.")
@click.option("--scale", type=float, help="Strength in a merged model; 1 unless given.")
@click.option("--model", type=click.Path(path_type=Path), help="Folder with the model: for merged, DoRA and OFT.")
@click.option("--variant", help="Which model, when the folder holds several.")
@click.option("--force", is_flag=True, help="Replace what is at --out.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def convert(file: Path, to: str, out: Path | None, rank: int | None, scale: float | None, model: Path | None,
            variant: str | None, force: bool, as_json: bool) -> None:  # fmt: skip
    """Write FILE for another program, at the same strength; it is read back and compared before it is called done.

    LoKr and LoHa become a LoRA where a program knows nothing else, and what is lost is told.
    """
    _check(to, rank, scale, model)
    cls = recognised(file, registry())
    info = open_checkpoint(model, variant).dit if model else None
    out = out or _named(file, to)
    with _finished(out, force) as place:
        if to == "merged":
            assert info is not None
            notes = _merge(cls, file, info, 1.0 if scale is None else scale, place)
        else:
            notes = _export(cls, file, to, place, rank, info)
    if as_json:
        print_json({"out": out, "to": to, "notes": notes})
        return
    for note in notes:
        click.echo(note)
    click.echo(f"written: {out}")


def _check(to: str, rank: int | None, scale: float | None, model: Path | None) -> None:
    errors = []
    if to == "merged" and model is None:
        errors.append(UserError("A merged model needs the model", "add --model DIR"))
    if to == "merged" and rank is not None:
        errors.append(UserError("--rank does nothing for a merged model", "leave it out"))
    if to != "merged" and scale is not None:
        errors.append(UserError(f"--scale does nothing for --to {to}: files are written at strength 1", "leave it out"))
    raise_all(errors, "The command line")


def _export(cls: Any, file: Path, to: str, place: Path, rank: int | None, info: ModelInfo | None) -> list[str]:
    from acestep_core.merging import base_weight, check_model

    weights = None
    if info is not None:
        check_model(file, cls.describe(file), info)
        weights = base_weight(info)
    return list(cls.export(file, to, place, rank=rank, weights=weights, on_layer=_progress("layers")))


def _merge(cls: Any, file: Path, info: ModelInfo, scale: float, place: Path) -> list[str]:
    from acestep_core.clip import adapter_hash
    from acestep_core.merging import check_model, write_merged

    check_model(file, cls.describe(file), info)
    record = {"adapter": file.name, "hash": adapter_hash(file), "scale": scale, "model": info.folder.name,
              "model_hash": info.hash()}  # fmt: skip
    changes = cls.changes(file)
    write_merged(info, changes, scale, place, record, _progress("layers"))
    return [f"{len(changes)} layers of {info.folder.name} changed, read back and compared"]


def _progress(label: str) -> Any:
    tickers: dict[int, Ticker] = {}
    return lambda done, total: tickers.setdefault(total, Ticker(label, total)).update(done)


@contextmanager
def _finished(out: Path, force: bool) -> Iterator[Path]:
    """A place that becomes `out` when everything was written, and is nothing otherwise."""
    if out.exists() and not force:
        raise UserError(f"{out} is there already", "add --force to replace it, or give another --out")
    place = out.with_name(f".{out.name}.tmp")
    _remove(place)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield place
        _remove(out)
        place.rename(out)
    finally:
        _remove(place)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _named(file: Path, to: str) -> Path:
    """run-comfyui.safetensors of run/adapter."""
    file = file.resolve()
    plain = file.parent if file.is_file() and file.stem in ("adapter_model", "lokr_weights", "loha_weights") else file
    plain = plain.parent if plain.name == "adapter" else plain
    stem = plain.stem if plain.is_file() else plain.name
    return Path(f"{stem}-{to}" if to in _FOLDERS else f"{stem}-{to}.safetensors")


def _print(facts: Mapping[str, Any]) -> None:
    notes, header, norms = facts.get("notes", ()), facts.get("header", {}), facts.get("norms")
    rows = [(k.replace("_", " "), _words(v)) for k, v in facts.items() if k not in ("notes", "header", "norms")]
    rows += [(f"norm of {target}", f"{norm:.4g}") for target, norm in (norms or {}).items()]
    rows += [("norms", "not without the model")] if "norms" in facts and norms is None else []
    rows += [(f"header: {k}", v if len(v) <= 60 else f"{v[:59]}…") for k, v in header.items()]
    table(("what", "value"), rows)
    for note in notes:
        click.echo(f"note: {note}")
    click.echo()


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} x {v}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
