"""acestep-core generate"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from acestep_core.adapters import UsedAdapter
from acestep_core.clip import Clip
from acestep_core.commands.audio_choices import audio_choices, audio_settings, check_output, picture_choice
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
    words_of_file,
)
from acestep_core.commands.generating import making, report
from acestep_core.commands.lm_choices import (
    TABLE,
    backend_of_lm,
    made_backend,
    planner,
    table_of_lm,
    thinking_choices,
)
from acestep_core.commands.timing import time_beside
from acestep_core.errors import UserError
from acestep_core.items import read_items, repeated
from acestep_core.record import Record, check_same, load_record
from acestep_core.registry import registry
from acestep_core.request import GenerateRequest
from acestep_core.sameness import backend_options, differences
from acestep_core.saving import recorded_settings
from acestep_core.tasks import MODES, TASKS


@click.command("generate")
@model_choices
@settings_options(GenerateRequest)
@click.option("--task", "task", type=click.Choice([*TASKS, *MODES]), help="What to do; text2music unless given.")
@task_options
@thinking_choices
@click.option("--lyrics-file", type=click.Path(path_type=Path), help="Read the lyrics from this file.")
@click.option("--count", type=click.IntRange(1), help="How many clips, with seeds that follow each other. [default: 1]")
@click.option("--items", type=click.Path(path_type=Path), help="A clip per line of this JSON Lines file.")
@click.option("--batch-size", type=click.IntRange(1, 8), help="Clips made at once; as the device likes unless given.")
@click.option("--preview-every", type=click.IntRange(1), metavar="K", help="Write what it sounds like every K steps.")
@click.option("--resume", is_flag=True, help="Leave out the clips that are there already.")
@click.option("--adapter", "adapters", multiple=True, type=click.Path(path_type=Path), help="Adapter; may be repeated.")
@click.option(
    "--scale", "scales", multiple=True, type=float, help="Strength of each --adapter, in order; 1 if left out."
)
@click.option("--from", "again", type=click.Path(path_type=Path), help="Make again what this record describes.")
@click.option("--out", type=click.Path(path_type=Path), help="wav, flac, mp3, ogg or opus; -o FILE does the same.")
@audio_choices
@picture_choice
@plugin_choices
@extension_choice
@click.option("--lrc", is_flag=True, help="Write when each line is sung beside each clip, as `align` does.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON, of several clips a list.")
@click.pass_obj
def command(config: dict[str, Any], model: Path, variant: str | None, backend: str, task: str | None,
            lm: str | None, lm_backend: str | None, lyrics_file: Path | None, count: int | None, items: Path | None,
            batch_size: int | None, preview_every: int | None, resume: bool, adapters: tuple[Path, ...],
            scales: tuple[float, ...], again: Path | None, out: Path | None, tags: tuple[str, ...], png: bool,
            pairs: tuple[str, ...], extensions: tuple[str, ...], lrc: bool, as_json: bool,
            **given: Any) -> None:  # fmt: skip
    """Make clips. The record written beside each (FILE.json) makes it again: generate --model DIR --from FILE.json.

    Of several, the files are numbered: out-1.flac, out-2.flac.
    """
    pairs, out = split_out(pairs, out, Path("out.flac"))
    written = audio_settings(given, tags)
    thinks, record = planner(given, lm, lm_backend), None
    if again is not None:
        several = {"count": count, "items": items, "batch_size": batch_size, "resume": resume or None, "think": thinks}
        record = _record(again, {**given, "task": task, **several}, adapters, lyrics_file)
        requests, used, batch_size = list(record.batch), record.adapters, record.at_once
        written = recorded_settings(record.content, out, written)
    else:
        if lyrics_file is not None:
            given["lyrics"] = words_of_file(lyrics_file, given.get("lyrics"))
        asked = replace(made(GenerateRequest, given), task=made_task(task, given))
        each = read_items(items, asked) if items else [asked]
        requests, used = [r for one in each for r in repeated(one, count or 1)], _used(adapters, scales)
    check_output(out, written, png)
    chosen = {"backend": ("backends", backend), "solver": ("solvers", requests[0].solver)}
    chosen |= {"schedule": ("samplers", requests[0].schedule)} if requests[0].schedule else {}
    lm_backend = backend_of_lm(lm_backend, config) if thinks else None
    chosen |= table_of_lm(lm_backend)
    heard = extension_tables(extensions, chosen)
    options = chosen_options(pairs, config, registry(), chosen | heard)
    extended = {name: options.pop(table) for table, (_, name) in heard.items()}
    recorded = record.options if record else {}
    options |= {table: {**options.get(table, {}), **values} for table, values in recorded.items()}
    of_backend, of_lm = options.pop("backend"), options.pop(TABLE, {})
    if record is not None:
        of_backend = backend_options(record.content, backend, of_backend, registry())
    opened = open_model(model, variant, backend, of_backend, lm=lm, lm_backend=made_backend(lm_backend, of_lm))
    for line in check_same(record, opened) if record else ():
        click.echo(f"note: {line}; the samples may differ", err=True)
    only = record.place if record else None
    with taking_part(extended, ("acestep_audio",), "generate"):
        done = making(opened, requests, out, adapters=used, options=options, batch_size=batch_size, only=only,
                      preview_every=preview_every or 0, resume=resume, settings=written, png=png,
                      thinks=thinks)  # fmt: skip
    if lrc:
        time_beside(opened, done)
    report(done, as_json)
    if record is not None:
        _compare(record, done.clips[0].clip)


def _compare(record: Record, clip: Clip) -> None:
    differing = differences(record, clip.record)
    told = f"The samples differ from the record's: {'; '.join(differing)}." if differing else None
    click.echo(told or "The samples equal the record's.", err=True)


def _used(adapters: tuple[Path, ...], scales: tuple[float, ...]) -> tuple[UsedAdapter, ...]:
    if len(scales) > len(adapters):
        raise UserError("There are more --scale than --adapter", "give one --scale per --adapter")
    padded = [*scales, *[1.0] * (len(adapters) - len(scales))]
    return tuple(UsedAdapter(a.resolve(), s) for a, s in zip(adapters, padded, strict=True))


def _record(again: Path, given: dict[str, Any], adapters: tuple[Path, ...], lyrics_file: Path | None) -> Record:
    doubled = [n for n, value in given.items() if value is not None]
    doubled += ["adapter"] * bool(adapters) + ["lyrics-file"] * bool(lyrics_file)
    if doubled:
        raise UserError(f"--from gives everything, --{doubled[0].replace('_', '-')} too", "leave one of them out")
    return load_record(again)
