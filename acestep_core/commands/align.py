"""acestep-core align"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from acestep_core.alignment.by_ctc import time_audio
from acestep_core.alignment.clips import open_clip, time_clip
from acestep_core.alignment.ctc_model import CtcModel
from acestep_core.alignment.listening import Listening
from acestep_core.alignment.timed import WRITERS, TimedLine, merged, text_of
from acestep_core.commands.choices import (
    chosen_options,
    made,
    open_model,
    plugin_choices,
    settings_options,
    variant_choices,
    words_of_file,
)
from acestep_core.commands.one_by_one import one_by_one
from acestep_core.console import Ticker, clock, print_json
from acestep_core.errors import UserError
from acestep_core.files import write_text
from acestep_core.registry import registry

_GUESS = 0.5  # confidence below which a line is shown as one
Aligner = Callable[[Path], list[TimedLine]]


@click.command("align")
@click.argument("audio", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--model", type=click.Path(path_type=Path), help="Time generated clips by the attention of this model.")
@variant_choices
@click.option("--ctc", type=click.Path(path_type=Path), help="Time lyrics of any audio by this CTC model, a folder.")
@click.option("--lyrics", help="With --ctc: the words; those of the record or FILE.lyrics.txt unless given.")
@click.option("--lyrics-file", type=click.Path(path_type=Path), help="With --ctc: read the words from this file.")
@settings_options(Listening)
@click.option("--reference", is_flag=True, help="Weigh attention as the reference does, for strong attention only.")
@click.option("--format", "ending", type=click.Choice([e[1:] for e in WRITERS]),
              help="What is written; as --out ends, or lrc.")  # fmt: skip
@click.option("--merge", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
              help="Show lines shorter than this together with the next; 2 suits subtitles.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="File to write, or folder of several; beside the audio.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines with times and confidence as JSON.")
@plugin_choices
@click.pass_obj
def command(config: dict[str, Any], audio: tuple[Path, ...], model: Path | None, variant: str | None, backend: str,
            ctc: Path | None, lyrics: str | None, lyrics_file: Path | None, reference: bool, ending: str | None,
            merge: float, out: Path | None, force: bool, as_json: bool, pairs: tuple[str, ...],
            **given: Any) -> None:  # fmt: skip
    """Say when each line of lyrics is sung, and write it as .lrc or .vtt.

    With --model for generated clips, whose record lies beside them: where the model itself looked for each word. With
    --ctc for any audio, by a speech model that hears nothing else. Lines below a confidence of 0.5 are guesses.
    """
    _check(model, ctc, [lyrics, lyrics_file], [*given.values(), reference or None, variant, pairs or None])
    targets = _targets(audio, out, ending)
    words = words_of_file(lyrics_file, lyrics) if lyrics_file else lyrics
    aligner = _by_ctc(ctc, words) if ctc else _by_model(model, variant, backend, pairs, config, given, reference)

    def written(song: Path) -> list[TimedLine]:
        target = targets[song]
        if target.exists() and not force:
            raise UserError(f"{target} is there already", "add --force to replace it, or give --out")
        lines = merged(aligner(song), merge)
        write_text(target, text_of(lines, target.suffix))
        return lines

    done: dict[str, dict[str, Any]] = {}
    problems: dict[str, str] = {}
    for song, lines in one_by_one(targets, written, problems):
        done[str(song)] = {"file": targets[song], "lines": [asdict(line) for line in lines]}
        if not as_json:
            _say(targets[song], lines)
    if as_json:
        print_json({"songs": done, "problems": problems})
    sys.exit(1 if problems else 0)


def _check(model: Path | None, ctc: Path | None, words: list[Any], of_model: list[Any]) -> None:
    if (model is None) == (ctc is None):
        raise UserError("Lyrics are timed by a model that made the clip, or by a CTC model",
                        "give --model DIR or --ctc DIR")  # fmt: skip
    if model is not None and any(w is not None for w in words):
        raise UserError("--lyrics does nothing with --model: the record has them", "leave it out, or use --ctc DIR")
    if ctc is not None and any(o is not None for o in of_model):
        raise UserError("--heads, --t, --noise-seed, --reference, --variant and -o do nothing with --ctc",
                        "leave them out, or use --model DIR")  # fmt: skip


def _by_model(
    model: Path,
    variant: str | None,
    backend: str,
    pairs: tuple[str, ...],
    config: Mapping[str, Any],
    given: Mapping[str, Any],
    reference: bool,
) -> Aligner:
    options = chosen_options(pairs, config, registry(), {"backend": ("backends", backend)})
    opened, listening = open_model(model, variant, backend, options["backend"]), made(Listening, given)
    return lambda path: time_clip(opened, open_clip(path), listening, reference)


def _by_ctc(folder: Path, words: str | None) -> Aligner:
    model = CtcModel(folder)

    def aligned(path: Path) -> list[TimedLine]:
        ticker = Ticker(f"hear {path.name}", None)
        return time_audio(model, path, words, lambda done, total: ticker.update(done, total=total))

    return aligned


def _targets(files: Sequence[Path], out: Path | None, ending: str | None) -> dict[Path, Path]:
    """What is written of each audio file, which may be named by its record. Raises `UserError` for a strange --out."""
    songs = list(dict.fromkeys(f.with_name(f.name.removesuffix(".json")) for f in files))
    if out is not None and len(songs) == 1 and not out.is_dir():
        if out.suffix.lower() not in WRITERS or ending not in (None, out.suffix.lower()[1:]):
            raise UserError(f"{out} is no .{ending or 'lrc'} file", "let --out end in .lrc or .vtt, as --format says")
        return {songs[0]: out}
    of = {song: (out or song.parent) / f"{song.stem}.{ending or 'lrc'}" for song in songs}
    if len(set(of.values())) < len(songs):
        raise UserError("Two of the files would be written under the same name", "align them one by one, with --out")
    return of


def _say(target: Path, lines: list[TimedLine]) -> None:
    unsure = sum(line.confidence < _GUESS for line in lines)
    guesses = f", {unsure} of them a guess" if unsure else ""
    count = f"{len(lines)} line{'s' * (len(lines) != 1)}"
    click.echo(f"{target}: {count} from {clock(lines[0].start_s)} to {clock(lines[-1].end_s)}{guesses}")
