"""acestep-core review"""

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from acestep_core.commands.choices import txt_choice
from acestep_core.commands.walk import walk
from acestep_core.console import print_json, printable, table
from acestep_core.data import names, usable
from acestep_core.review_table import Change, Changes, apply_changes, read_table, write_table
from acestep_core.reviewing import TEXTS, Item, as_text, items_of
from acestep_core.scan import Scan, scan_folder
from acestep_core.sidecars import overwrite_fields

_WIDEST = 50  # characters of a value in the table


@click.command("review")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Every value of a plugin that nobody has accepted yet.")
@click.option("--fields", default="all", show_default=True, help="Only these, such as lyrics,bpm.")
@click.option("--export", "to", type=click.Path(path_type=Path), metavar="FILE",
              help="Write a spreadsheet (.csv, or .tsv with tabs) instead of asking.")  # fmt: skip
@click.option("--import", "back", type=click.Path(path_type=Path), metavar="FILE",
              help="Read such a spreadsheet back: changed values are yours, an x in 'accept' accepts.")  # fmt: skip
@click.option("--player", metavar="COMMAND", help="What plays a song; by default ffplay, mpv, vlc or the like.")
@txt_choice
@click.option("--dry-run", is_flag=True, help="Show what would be asked, or with --import what would be written.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON; asks nothing.")
def command(folder: Path, everything: bool, fields: str, to: Path | None, back: Path | None, player: str | None,
            txt: str, dry_run: bool, as_json: bool) -> None:  # fmt: skip
    """Look through what needs a person in the songs of FOLDER, one value after the other.

    That is: values of plugins that are not sure of them, values that scan has a note about, and lyrics of a plugin
    that nobody has read. Each decision is written beside the song at once; run again, it goes on with the rest. Exit
    code 1 if a row of a spreadsheet could not be used (the others are), 130 if Ctrl-C stopped it.
    """
    if to is not None and back is not None:
        raise click.UsageError("Give --export or --import, not both.")
    if back is not None:
        _check_whole()
        _take_back(back, folder, txt, dry_run, as_json)
        return
    found = scan_folder(folder, txt)
    wanted = overwrite_fields(fields)
    items = [item for song in usable(found.songs) for item in items_of(song, everything, wanted)]
    if dry_run or as_json:
        _show(items, found, as_json)
    elif to is not None:
        click.echo(f"{to}: {write_table(to, folder, items)} values to look at.")
    else:
        _tell_problems(found)
        sys.exit(walk(items, player))


def _check_whole() -> None:
    given = click.get_current_context().get_parameter_source
    if ParameterSource.COMMANDLINE in (given("everything"), given("fields")):
        raise click.UsageError("--import takes every row of the file: leave out --all and --fields.")


def _tell_problems(found: Scan) -> None:
    left_out = len(found.songs) - len(usable(found.songs))
    if left_out:
        click.echo(f"{left_out} songs with problems are left out; 'acestep-core scan' tells which.", err=True)


def _show(items: Sequence[Item], found: Scan, as_json: bool) -> None:
    if as_json:
        print_json({"items": [_as_json(i) for i in items]})
        return
    called = names([i.song for i in items])
    rows = [(called[i.song.path], i.field, _short(i.value), i.source, "; ".join(i.why)) for i in items]
    table(("song", "field", "value", "from", "why"), rows)
    _tell_problems(found)
    click.echo(f"{len(items)} values of {len(called)} songs need a person.")


def _as_json(item: Item) -> dict[str, Any]:
    sure = item.song.confidence.get(item.field)
    return {"path": item.song.path, "id": item.song.id, "field": item.field, "value": item.value, "source": item.source,
            "confidence": sure, "alternatives": item.alternatives, "why": item.why}  # fmt: skip


def _take_back(path: Path, folder: Path, txt: str, dry_run: bool, as_json: bool) -> None:
    wanted = read_table(path, folder, txt)
    if not dry_run:
        apply_changes(wanted)
    if as_json:
        print_json({"changes": [_change_as_json(c) for c in wanted.changes], "unchanged": wanted.unchanged,
                    "problems": [str(p) for p in wanted.problems]})  # fmt: skip
    else:
        _tell_changes(wanted, dry_run)
    sys.exit(1 if wanted.problems else 0)


def _change_as_json(change: Change) -> dict[str, Any]:
    return {"row": change.row, "path": change.song.path, "field": change.field, "what": change.what,
            "before": change.before, "value": change.value}  # fmt: skip


def _tell_changes(wanted: Changes, dry_run: bool) -> None:
    called = names([c.song for c in wanted.changes])
    for change in wanted.changes:
        click.echo(printable("\n".join(_difference(change, f"{called[change.song.path]} {change.field}"))))
    for problem in wanted.problems:
        click.echo(str(problem), err=True)
    accepted = sum(c.what == "accept" for c in wanted.changes)
    click.echo(f"{len(wanted.changes) - accepted} changed, {accepted} accepted, {wanted.unchanged} as they were, "
               f"{len(wanted.problems)} rows not used.{' Nothing was written.' if dry_run else ''}")  # fmt: skip


def _difference(change: Change, title: str) -> list[str]:
    if change.what == "accept":
        return [f"{title}: accepted"]
    before, after = as_text(change.before), as_text(change.value)
    if change.field not in TEXTS:
        return [f"{title}: {before or '-'} -> {after or '-'}"]
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), title, f"{title} (yours)", lineterm="", n=1)
    return list(lines)


def _short(value: Any) -> str:
    text = " / ".join(as_text(value).splitlines())
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
