"""acestep-core lm"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import (
    made,
    plugin_choices,
    settings_options,
    variant_choices,
    words_of_file,
)
from acestep_core.commands.lm_choices import Counted, lm_choices, open_lm, open_with_lm, tell
from acestep_core.console import print_json
from acestep_core.errors import UserError
from acestep_core.files import read_text, write_text
from acestep_core.lm.fitting import settle
from acestep_core.lm.requests import Answer, Create, Drawing, Known, LmSettings, Metas, Rewrite, Understand
from acestep_core.lm.speaking import Asked, LmPart, ask
from acestep_core.lm.telling import DESCRIBED, facts_told, item_told
from acestep_core.transcoding import extract_codes


@click.group("lm")
def command() -> None:
    """Ask the 5 Hz language model. What it says of tempo and key is a guess; `annotate` measures them."""


def _common(command: Any) -> Any:
    """--model, --lm, --lm-backend, how tokens are drawn, --seed, -o and --json."""
    command = click.option("--json", "as_json", is_flag=True, help="Print what it says as JSON.")(command)
    command = plugin_choices(command)
    command = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Drives it.")(command)
    command = lm_choices(settings_options(Drawing)(command))
    folder = click.option("--model", type=click.Path(path_type=Path), required=True, help="Folder with the models.")
    return folder(command)


@command.command("understand")
@click.argument("audio", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="AUDIO...")
@_common
@variant_choices
@click.pass_obj
def understand(config: dict[str, Any], audio: tuple[Path, ...], model: Path, variant: str | None, backend: str,
               lm: str | None, lm_backend: str | None, seed: int, pairs: tuple[str, ...], as_json: bool,
               **given: Any) -> None:  # fmt: skip
    """Say what is heard in audio files: caption, genre, language, lyrics; tempo, key and metre as guesses.

    A file that cannot be used is told, the others go on, and the exit code is 1.
    """
    opened = open_with_lm(model, variant, backend, lm, lm_backend, pairs=pairs, config=config)
    which = settle(opened)
    tell(which.why)
    given["temperature"] = DESCRIBED if given["temperature"] is None else given["temperature"]
    heard = list(extract_codes(audio, opened, seed))
    usable = [h for h in heard if not h.problem]
    for each in heard:
        if each.problem:
            click.echo(f"{each.path}: {each.problem}", err=True)
    asked = [Asked(Understand(h.codes), seed) for h in usable]
    answers = _answers(opened.lm, asked, given, which.at_once) if usable else []
    said = {str(h.path): a for h, a in zip(usable, answers, strict=True)}
    if as_json:
        problems = {str(h.path): str(h.problem) for h in heard if h.problem}
        print_json({"songs": {path: facts_told(a) for path, a in said.items()}, "problems": problems})
    else:
        for path, answer in said.items():
            click.echo(f"{path}:" if len(audio) > 1 else "", nl=len(audio) > 1)
            _say(answer)
    sys.exit(1 if len(usable) < len(heard) else 0)


@command.command("create")
@click.argument("query", default="")
@click.option("--instrumental", is_flag=True, help="Without words.")
@click.option("--count", type=click.IntRange(1, 8), default=1, show_default=True, help="How many songs.")
@click.option("--out", type=click.Path(path_type=Path), help="Add them to this file for `generate --items`.")
@settings_options(Known)
@_common
@click.pass_obj
def create(config: dict[str, Any], query: str, instrumental: bool, count: int, out: Path | None, model: Path,
           lm: str | None, lm_backend: str | None, seed: int, pairs: tuple[str, ...], as_json: bool,
           **given: Any) -> None:  # fmt: skip
    """Make whole songs, words and all, of a sentence; without one, of nothing. What is given is kept as it is."""
    request = Create(query.strip(), instrumental, _known(given))
    answers = _asked(config, [Asked(request, seed + i) for i in range(count)], model, lm, lm_backend, pairs, given)
    _deliver(answers, out, as_json)


@command.command("format")
@click.option("--caption", default="", help="What the music is like, as it comes to mind.")
@click.option("--lyrics", default="", help="The words; none = instrumental.")
@click.option("--lyrics-file", type=click.Path(path_type=Path), help="Read the words from this file.")
@click.option("--out", type=click.Path(path_type=Path), help="Add it to this file for `generate --items`.")
@settings_options(Known)
@_common
@click.pass_obj
def rewrite(config: dict[str, Any], caption: str, lyrics: str, lyrics_file: Path | None, out: Path | None, model: Path,
            lm: str | None, lm_backend: str | None, seed: int, pairs: tuple[str, ...], as_json: bool,
            **given: Any) -> None:  # fmt: skip
    """Word a caption and lyrics as the model knows them best, with everything else a song needs."""
    words = words_of_file(lyrics_file, lyrics) if lyrics_file else lyrics.strip()
    if not (caption.strip() or words):
        raise UserError("There is nothing to format", "give --caption or --lyrics; for a song of nothing: lm create")
    asked = [Asked(Rewrite(caption.strip(), words, _known(given)), seed)]
    _deliver(_asked(config, asked, model, lm, lm_backend, pairs, given), out, as_json)


def _asked(
    config: Mapping[str, Any],
    asked: list[Asked],
    model: Path,
    lm: str | None,
    backend: str | None,
    pairs: tuple[str, ...],
    given: dict[str, Any],
) -> list[Answer]:
    return _answers(open_lm(model, lm, backend, pairs=pairs, config=config), asked, given)


def _answers(lm: LmPart, asked: list[Asked], given: Mapping[str, Any], at_once: int | None = None) -> list[Answer]:
    drawing = made(Drawing, given)
    settings = LmSettings(**{n: getattr(drawing, n) for n in Drawing.__dataclass_fields__})
    shown = Counted(len(asked))
    return ask(lm, asked, settings, at_once=at_once, on_token=lambda i, said: shown.tell("lm", i, said))


def _known(given: Mapping[str, Any]) -> Metas:
    return made(Known, given).metas()


def _deliver(answers: list[Answer], out: Path | None, as_json: bool) -> None:
    items = [item_told(a) for a in answers]
    if out is not None:
        before = read_text(out).rstrip("\n") + "\n" if out.exists() else ""
        write_text(out, before + "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items))
    if as_json:
        print_json([item | {"origins": dict(a.origins)} for item, a in zip(items, answers, strict=True)])
        return
    for answer in answers:
        _say(answer)
    if out is not None:
        click.echo(f"{out}: {len(items)} more; acestep-core generate --items {out} makes them")


def _say(answer: Answer) -> None:
    facts = facts_told(answer)
    for name in ("caption", "genres", "bpm", "keyscale", "timesignature", "language", "duration_s"):
        if facts.get(name):
            cut = "  (cut off: it came to the most it may say)" if answer.origins.get(name) == "constraint" else ""
            click.echo(f"{name.removesuffix('_s')}: {facts[name]}{cut}")
    if answer.lyrics:
        click.echo(f"lyrics:\n{answer.lyrics}")
