"""acestep-core tags stats | audit | advise | undo, and the edits"""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import txt_choice
from acestep_core.commands.tag_edits import (
    DRY_RUN,
    EDITS,
    FOLDER,
    JSON,
    TRIGGER,
    WHERE,
    apply_file,
    tell,
    told,
)
from acestep_core.console import print_json, table
from acestep_core.tags.advice import advise as advice_on
from acestep_core.tags.audit import NEARLY_ALL
from acestep_core.tags.audit import audit as audited
from acestep_core.tags.folder import Captions, open_captions
from acestep_core.tags.journal import entries
from acestep_core.tags.journal import undo as undo_edits
from acestep_core.tags.statistics import Statistics, statistics
from acestep_core.tags.where import parse_where

SOURCE = click.argument("source", type=click.Path(path_type=Path))


@click.group("tags")
def command() -> None:
    """Edit, count and check comma-separated tags in the captions of a folder of songs.

    Tags stand before the first sentence of a caption; sentences are never changed. Each edit can be taken back.
    """


for one in (*EDITS.values(), apply_file):
    command.add_command(one)


@command.command("stats")
@SOURCE
@WHERE
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the N most frequent.")
@click.option("--songs", "with_songs", is_flag=True, help="Also the songs of each tag.")
@click.option("--together", is_flag=True, help="Also which tags stand together.")
@txt_choice
@JSON
def stats(source: Path, where: str, top: int | None, with_songs: bool, together: bool, txt: Any, as_json: bool) -> None:
    """Count the tags of SOURCE, a folder or dataset.json: songs, and share of those with a caption."""
    captions = _opened(source, txt, where)
    found = statistics(captions.songs)
    if as_json:
        _print_stats(found, captions, top)
        return
    columns = ("tag", "songs", "share", *(["which"] if with_songs else []))
    rows = [(c.tag, len(c.songs), f"{found.share(c):.0%}", *([", ".join(c.songs)] if with_songs else []))
            for c in found.tags[:top]]  # fmt: skip
    table(columns, rows, right=("songs", "share"))
    if together:
        click.echo()
        table(("tag", "with", "songs"), found.together[: top or len(found.together)], right=("songs",))
    _end(captions, f"{len(found.tags)} tags in {found.songs - len(found.without_caption)} of {found.songs} captions, "
                   f"{len(found.with_sentences)} of them with sentences.")  # fmt: skip


def _print_stats(found: Statistics, captions: Captions, top: int | None) -> None:
    tags = [{"tag": c.tag, "songs": c.songs, "share": found.share(c), "spellings": c.spellings}
            for c in found.tags[:top]]  # fmt: skip
    pairs = [{"tags": [a, b], "songs": n} for a, b, n in found.together[: top or len(found.together)]]
    print_json({"songs": found.songs, "tags": tags, "together": pairs, "without_caption": found.without_caption,
                "with_sentences": found.with_sentences, **told(captions)})  # fmt: skip
    sys.exit(1 if captions.problems else 0)


@command.command("audit")
@SOURCE
@WHERE
@click.option("--commands", "as_commands", is_flag=True, help="Print only the command lines that would mend it.")
@txt_choice
@JSON
def audit(source: Path, where: str, as_commands: bool, txt: Any, as_json: bool) -> None:
    """What looks wrong with the tags of SOURCE, a folder or dataset.json.

    Spellings that are nearly alike, tags that contradict each other or the labels, tags in all songs or in one,
    captions that are empty or too long.
    """
    captions = _opened(source, txt, where)
    found = audited(captions.songs)
    if as_json:
        print_json({"findings": [{"kind": f.kind, "text": f.text, "songs": f.songs, "edit": f.command} for f in found],
                    **told(captions)})  # fmt: skip
        sys.exit(1 if captions.problems else 0)
    if as_commands:
        _commands(source, [f.edit for f in found])
        return
    table(("kind", "songs", "what"), [(f.kind, _named(f.songs), f.text) for f in found])
    _end(captions, f"{len(found)} findings in {len(captions.songs)} captions{_unjudged(captions)}.")


@command.command("advise")
@SOURCE
@TRIGGER
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=NEARLY_ALL, show_default=True,
              help="A tag in at least this share of the captions is a constant trait.")  # fmt: skip
@click.option("--commands", "as_commands", is_flag=True, help="Print only the command lines that would carry it out.")
@txt_choice
@JSON
def advise(source: Path, trigger: str, share: float, as_commands: bool, txt: Any, as_json: bool) -> None:
    """Which tags of SOURCE to delete, keep and add, for songs that a trigger shall stand for.

    Constant traits go, so that the trigger takes them in; what one wants to steer by prompts stays; what can be heard
    and is no tag yet is added.
    """
    captions = open_captions(source, txt)
    found = advice_on(captions, trigger or captions.trigger, share)
    if as_json:
        print_json({"trigger": trigger or captions.trigger, "advice": [
            {"action": a.action, "tag": a.tag, "songs": a.songs, "reason": a.reason, "edit": a.command}
            for a in found], **told(captions)})  # fmt: skip
        sys.exit(1 if captions.problems else 0)
    if as_commands:
        _commands(source, [a.edit for a in found])
        return
    table(("advice", "tag", "songs", "why"), [(a.action, a.tag, _named(a.songs), a.reason) for a in found])
    edits = sum(bool(a.edit) for a in found)
    _end(captions, f"{edits} edits in {len(captions.songs)} captions{_unjudged(captions)}; --commands prints them.")


@command.command("undo")
@FOLDER
@click.argument("count", type=click.IntRange(1), default=1)
@click.option("--list", "as_list", is_flag=True, help="List the edits instead.")
@DRY_RUN
@JSON
def undo(folder: Path, count: int, as_list: bool, dry_run: bool, as_json: bool) -> None:
    """Take back the last COUNT edits of FOLDER: each file becomes what it was, unless it was changed since."""
    if as_list:
        _list(folder, as_json)
        return
    done = undo_edits(folder, count, dry_run)
    problems = {k: [str(p) for p in v] for k, v in done.problems.items()}
    if as_json:
        print_json({"undone": done.entries, "dry_run": dry_run, "problems": problems,
                    "files": {k: list(map(str, v)) for k, v in done.written.items()}})  # fmt: skip
        sys.exit(1 if problems else 0)
    for name, paths in done.written.items() if dry_run else ():
        click.echo(f"{name}: {', '.join(p.name for p in dict.fromkeys(paths))}")
    for name, lines in problems.items():
        for line in lines:
            click.echo(f"{name}: {line}")
    numbers = ", ".join(map(str, done.entries)) or "none"
    click.echo(f"{len(done.written)} songs {'would be' if dry_run else 'are'} as before; edits undone: {numbers}.")
    sys.exit(1 if problems else 0)


def _list(folder: Path, as_json: bool) -> None:
    found = entries(folder)
    if as_json:
        print_json([{"edit": e.number, "at": e.at, "command": e.command, "files": len(e.files), "undone": e.undone}
                    for e in found])  # fmt: skip
        return
    rows = [(e.number, e.at, len(e.files), "yes" if e.undone else "", e.command) for e in found]
    table(("edit", "at", "files", "undone", "command"), rows, right=("edit", "files"))


def _opened(source: Path, txt: Any, where: str) -> Captions:
    chosen = parse_where(where) if where else None
    captions = open_captions(source, txt)
    if chosen is not None:
        captions.songs = captions.where(chosen)
    return captions


def _unjudged(captions: Captions) -> str:
    count = sum(bool(s.text and not s.tags) for s in captions.songs)
    return f", {count} of them sentences without tags" if count else ""


def _named(songs: tuple[str, ...]) -> str:
    return songs[0] if len(songs) == 1 else str(len(songs))


def _commands(source: Path, edits: list[tuple[str, ...]]) -> None:
    """For a shell. Without 'acestep-core tags' and the folder, each is a line of a command file."""
    for name, *rest in filter(None, edits):
        click.echo(shlex.join(["acestep-core", "tags", name, str(source), *rest]))


def _end(captions: Captions, summary: str) -> None:
    tell(captions)
    click.echo(summary)
    sys.exit(1 if captions.problems else 0)
