"""acestep-core generate"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from acestep_core.audio import format_of
from acestep_core.commands.choices import (
    chosen_options,
    extension_choice,
    extension_tables,
    made,
    made_task,
    model_choices,
    open_model,
    plugin_choices,
    settings_options,
    split_out,
    taking_part,
    task_options,
)
from acestep_core.console import Ticker, clock, print_json
from acestep_core.errors import UserError
from acestep_core.files import read_text
from acestep_core.generation import Clip, Progress, UsedAdapter, generate, record_path
from acestep_core.observers import Observers
from acestep_core.record import check_same, load_record
from acestep_core.registry import registry
from acestep_core.request import GenerateRequest
from acestep_core.tasks import MODES, TASKS


@click.command("generate")
@model_choices
@settings_options(GenerateRequest)
@click.option("--task", "task", type=click.Choice([*TASKS, *MODES]), help="What to do; text2music unless given.")
@task_options
@click.option("--lyrics-file", type=click.Path(path_type=Path), help="Read the lyrics from this file.")
@click.option("--adapter", "adapters", multiple=True, type=click.Path(path_type=Path), help="Adapter; may be repeated.")
@click.option(
    "--scale", "scales", multiple=True, type=float, help="Strength of each --adapter, in order; 1 if left out."
)
@click.option("--from", "again", type=click.Path(path_type=Path), help="Make again what this record describes.")
@click.option("--out", type=click.Path(path_type=Path), help="wav, flac, mp3, ogg or opus; -o FILE does the same.")
@plugin_choices
@extension_choice
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@click.pass_obj
def command(config: dict[str, Any], model: Path, variant: str | None, backend: str, task: str | None,
            lyrics_file: Path | None, adapters: tuple[Path, ...], scales: tuple[float, ...], again: Path | None,
            out: Path | None, pairs: tuple[str, ...], extensions: tuple[str, ...], as_json: bool,
            **given: Any) -> None:  # fmt: skip
    """Make a clip. The record written beside it (FILE.json) makes it again: generate --model DIR --from FILE.json."""
    pairs, out = split_out(pairs, out, Path("out.flac"))
    format_of(out)
    if again is not None:
        request, tables, used, record = _from_record(again, {**given, "task": task}, adapters, lyrics_file)
    else:
        if lyrics_file is not None:
            given["lyrics"] = _lyrics(lyrics_file, given)
        asked = replace(made(GenerateRequest, given), task=made_task(task, given))
        request, tables, used, record = asked, {}, _used(adapters, scales), None
    chosen = {"backend": ("backends", backend), "solver": ("solvers", request.solver)}
    chosen |= {"schedule": ("samplers", request.schedule)} if request.schedule else {}
    heard = extension_tables(extensions, chosen)
    options = chosen_options(pairs, config, registry(), chosen | heard)
    extended = {name: options.pop(table) for table, (_, name) in heard.items()}
    options |= {table: {**options.get(table, {}), **values} for table, values in tables.items()}
    opened = open_model(model, variant, backend, options.pop("backend"))
    for line in check_same(record, opened) if record else ():
        click.echo(f"note: {line}; the samples may differ", err=True)
    with taking_part(extended, ("acestep_audio",), "generate"):
        clip = run(opened, request, used, options)
        clip.save(out)
        Observers(registry().manager).notify("acestep_audio", request=request, clip=clip, path=out)
    _report(clip, out, as_json)
    if record is not None:
        same = record.sha256 == clip.record["audio"]["sha256"]
        click.echo("The samples equal the record's." if same else "The samples differ from the record's.", err=True)


def run(model: Any, request: GenerateRequest, adapters: tuple[UsedAdapter, ...] = (), options: Any = None) -> Clip:
    """Generate with progress on stderr."""
    tickers: dict[str, Ticker] = {}

    def tell(p: Progress) -> None:
        if p.done and p.total > 1:
            tickers.setdefault(p.stage, Ticker(p.stage, p.total)).update(p.done)

    return generate(model, request, adapters=adapters, options=options, on_progress=tell)


def _used(adapters: tuple[Path, ...], scales: tuple[float, ...]) -> tuple[UsedAdapter, ...]:
    if len(scales) > len(adapters):
        raise UserError("There are more --scale than --adapter", "give one --scale per --adapter")
    padded = [*scales, *[1.0] * (len(adapters) - len(scales))]
    return tuple(UsedAdapter(a.resolve(), s) for a, s in zip(adapters, padded, strict=True))


def _lyrics(file: Path, given: dict[str, Any]) -> str:
    if given.get("lyrics"):
        raise UserError("--lyrics and --lyrics-file say the same thing twice", "give one of them")
    try:
        return read_text(file).strip()
    except OSError as e:
        raise UserError(f"{file} cannot be read ({e.strerror})", "check the path") from e


def _from_record(again: Path, given: dict[str, Any], adapters: tuple[Path, ...], lyrics_file: Path | None) -> Any:
    doubled = [n for n, value in given.items() if value is not None]
    doubled += ["adapter"] * bool(adapters) + ["lyrics-file"] * bool(lyrics_file)
    if doubled:
        raise UserError(f"--from gives everything, --{doubled[0].replace('_', '-')} too", "leave one of them out")
    record = load_record(again)
    return record.request, record.options, record.adapters, record


def _report(clip: Clip, out: Path, as_json: bool) -> None:
    if as_json:
        print_json({"audio": out, **clip.record})
        return
    for line in clip.record["notes"]:
        click.echo(f"warning: {line}")
    seconds = clip.record["audio"]["samples"] / clip.record["audio"]["rate_hz"]
    click.echo(f"{out}: {clock(seconds)}, seed {clip.record['request']['seed']}; record in {record_path(out)}")
