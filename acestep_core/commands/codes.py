"""acestep-core codes"""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from acestep_core.audio_format import AudioSettings
from acestep_core.codes import codes_at, write_codes
from acestep_core.commands.audio_choices import audio_choices, audio_settings, check_output, draw_beside, picture_choice
from acestep_core.commands.choices import chosen_options, model_choices, open_model, plugin_choices, split_out
from acestep_core.console import Ticker, clock, print_json
from acestep_core.errors import UserError
from acestep_core.files import write_text
from acestep_core.finishing import lowered
from acestep_core.registry import registry
from acestep_core.transcoding import Extracted, decode_codes, extract_codes

_ENDING = ".codes.txt"


@click.group("codes")
def command() -> None:
    """Turn audio into the model's 5 Hz codes, and codes into audio."""


@command.command("extract")
@click.argument("audio", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="AUDIO...")
@model_choices
@click.option("--out", type=click.Path(path_type=Path), help="File to write, or folder where there are several.")
@click.option("--numbers", is_flag=True, help="Write 12 7 instead of <|audio_code_12|><|audio_code_7|>.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws the codec's sample.")
@plugin_choices
@click.option("--json", "as_json", is_flag=True, help="Print codes and problems as JSON.")
@click.pass_obj
def extract(config: dict[str, Any], audio: tuple[Path, ...], model: Path, variant: str | None, backend: str,
            out: Path | None, numbers: bool, seed: int, pairs: tuple[str, ...], as_json: bool) -> None:  # fmt: skip
    """Write the audio codes of files, five a second; `generate --codes FILE` makes music of them.

    Without --out the codes of one file are printed. A file that cannot be used is told, the others go on, and the
    exit code is 1.
    """
    pairs, out = split_out(pairs, out, None)
    places = _places(audio, out, as_json)
    options = chosen_options(pairs, config, registry(), {"backend": ("backends", backend)})
    opened = open_model(model, variant, backend, options["backend"])
    ticker = Ticker("codes", len(audio))
    done = []
    for number, found in enumerate(extract_codes(audio, opened, seed), 1):
        ticker.update(number, found.path.name)
        done.append(found)
        _deliver(found, places[found.path], numbers, as_json)
    if as_json:
        print_json({"codes": [_as_json(d, places[d.path]) for d in done if not d.problem],
                    "problems": {str(d.path): str(d.problem) for d in done if d.problem}})  # fmt: skip
    sys.exit(1 if any(d.problem for d in done) else 0)


@command.command("decode")
@click.argument("file", type=click.Path(path_type=Path))
@model_choices
@click.option("--out", type=click.Path(path_type=Path), help="wav, flac, mp3, ogg or opus; -o FILE does the same.")
@audio_choices
@picture_choice
@plugin_choices
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_obj
def decode(config: dict[str, Any], file: Path, model: Path, variant: str | None, backend: str, out: Path | None,
           tags: tuple[str, ...], png: bool, pairs: tuple[str, ...], as_json: bool, **given: Any) -> None:  # fmt: skip
    """Write what the model hears in the codes of FILE, through its codec and with nothing generated.

    The level is that of the model, lowered where samples would be above full scale.
    """
    pairs, out = split_out(pairs, out, file.with_name(f"{file.name.removesuffix('.txt')}.flac"))
    settings = audio_settings(given, tags)
    check_output(out, settings, png)
    codes = codes_at(file)
    options = chosen_options(pairs, config, registry(), {"backend": ("backends", backend)})
    opened = open_model(model, variant, backend, options["backend"])
    _decode(codes, opened, out, settings, png, as_json)


def _decode(codes: list[int], model: Any, out: Path, settings: AudioSettings, png: bool, as_json: bool) -> None:
    from acestep_core.audio import RATE_HZ, write_audio

    tickers: dict[int, Ticker] = {}

    def tell(done: int, total: int) -> None:
        tickers.setdefault(total, Ticker("decode", total)).update(done)

    wave, notes = lowered(decode_codes(codes, model, tell))
    write_audio(out, wave, settings=settings)
    seconds = wave.shape[1] / RATE_HZ
    picture = {"picture": draw_beside(wave, out)} if png else {}
    if as_json:
        print_json({"audio": out, "codes": len(codes), "duration_s": seconds, "notes": notes, **picture})
        return
    for note in notes:
        click.echo(f"warning: {note}")
    click.echo(f"{out}: {clock(seconds)} of {len(codes)} codes")


def _places(audio: Sequence[Path], out: Path | None, as_json: bool) -> dict[Path, Path | None]:
    """Where each file's codes go; None is the standard output. Raises `UserError` where two would be one."""
    twice = [p for p, count in Counter(audio).items() if count > 1]
    if twice:
        raise UserError(f"{twice[0]} is given twice", "name each file once")
    if out is None:
        if len(audio) > 1 and not as_json:
            raise UserError(f"{len(audio)} files need a folder for their codes", "give --out FOLDER, or --json")
        return dict.fromkeys(audio)
    if len(audio) == 1 and not out.is_dir():
        return {audio[0]: out}
    if out.is_file():
        raise UserError(f"{out} is a file", f"{len(audio)} files need a folder as --out")
    places = {p: out / f"{p.stem}{_ENDING}" for p in audio}
    shared = [str(place) for place, count in Counter(places.values()).items() if count > 1]
    if shared:
        raise UserError(f"Two files would both write {shared[0]}", "give them different names, or call this twice")
    return dict(places)


def _deliver(found: Extracted, place: Path | None, numbers: bool, as_json: bool) -> None:
    if found.problem:
        click.echo(f"{found.path}: {found.problem}", err=True)
        return
    text = " ".join(map(str, found.codes)) if numbers else write_codes(found.codes)
    if place is not None:
        write_text(place, text + "\n")
    if not as_json:
        click.echo(text if place is None else f"{place}: {len(found.codes)} codes")


def _as_json(found: Extracted, place: Path | None) -> dict[str, Any]:
    return {"audio": str(found.path), "codes": list(found.codes)} | ({"file": str(place)} if place else {})
