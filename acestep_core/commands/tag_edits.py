"""acestep-core tags add | remove | replace | rename | dedupe | sort, and apply, which reads them from a file"""

import functools
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import txt_choice
from acestep_core.console import print_json
from acestep_core.errors import UserError, raise_all
from acestep_core.files import decode_text
from acestep_core.options import nearest
from acestep_core.tags.captions import parse, tag_list
from acestep_core.tags.edits import Add, Dedupe, Edit, Match, Remove, Rename, Replace, Sort
from acestep_core.tags.folder import Captions, Step, Tagged, apply, changes, open_captions
from acestep_core.tags.journal import write_changes
from acestep_core.tags.where import everything, parse_where

FOLDER = click.argument("folder", type=click.Path(path_type=Path))
WHERE = click.option("--where", metavar="LINE", default="",
                     help="Only these songs: 'tag:piano and not tag:vocal and bpm>120'.")  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Show each caption before and after; write nothing.")
REGEX = click.option("--regex", is_flag=True, help="A regular expression that matches the whole tag.")
IGNORE_CASE = click.option("-i", "--ignore-case", is_flag=True, help="'Piano' is 'piano' too.")
TRIGGER = click.option("--trigger", default="", metavar="NAME", help="This tag comes first, where it is there.")
OF_THE_COMMAND = ("folder", "dry_run", "as_json", "txt")  # not of a line in a file


def editing(make: Callable[..., Edit]) -> Callable[..., None]:
    """A command that does, in the selected songs of a folder, the edit that `make` gives for its own options."""

    @functools.wraps(make)
    def run(folder: Path, where: str, dry_run: bool, as_json: bool, txt: Any, **own: Any) -> None:
        finish(folder, [_step(make, where, own)], dry_run, as_json, txt)

    for added in (JSON, txt_choice, DRY_RUN, WHERE, FOLDER):
        run = added(run)
    return run


def _step(make: Callable[..., Edit], where: str, own: dict[str, Any], place: str = "") -> Step:
    wrong, made = [], []
    for part in (lambda: make(**own), lambda: parse_where(where) if where else everything):
        try:
            made.append(part())
        except UserError as e:
            wrong.append(e)
    raise_all(wrong, "The edit")
    return Step(made[0], made[1], place)


@click.command("add")
@editing
@click.argument("tags", nargs=-1, required=True)
@click.option(
    "--position", default="end", show_default=True, metavar="WHERE", help="start, end, before:TAG, after:TAG."
)
@TRIGGER
def add(tags: tuple[str, ...], position: str, trigger: str) -> Edit:
    """Add TAGS to the captions of FOLDER; one that stands there already stays in its place.

    Tags stand before the sentences of a caption, and sentences are never changed.
    """
    return Add(tuple(tag_list(tags)), position, trigger)


@click.command("remove")
@editing
@click.argument("tags", nargs=-1, required=True)
@REGEX
@IGNORE_CASE
def remove(tags: tuple[str, ...], regex: bool, ignore_case: bool) -> Edit:
    """Remove TAGS from the captions of FOLDER."""
    return Remove(Match(tags if regex else tuple(tag_list(tags)), regex, ignore_case))


@click.command("replace")
@editing
@click.argument("old")
@click.argument("new")
@REGEX
@IGNORE_CASE
def replace(old: str, new: str, regex: bool, ignore_case: bool) -> Edit:
    r"""Put NEW, one or several tags, in the place of the tag OLD. With --regex NEW may have groups: \1."""
    return Replace(Match((old,), regex, ignore_case), new)


@click.command("rename")
@editing
@click.argument("old")
@click.argument("new")
@IGNORE_CASE
def rename(old: str, new: str, ignore_case: bool) -> Edit:
    """Change whole words within tags: guitar to gtr makes 'electric guitar' 'electric gtr'.

    What becomes equal to another tag of the caption is dropped.
    """
    return Rename(old, new, ignore_case)


@click.command("dedupe")
@editing
@click.option("--implied", is_flag=True, help="Also drop a tag that ends a longer one: 'guitar' by 'electric guitar'.")
def dedupe(implied: bool) -> Edit:
    """Keep the first of tags that differ in case, width or '_' alone."""
    return Dedupe(implied)


@click.command("sort")
@editing
@click.option("--by", type=click.Choice(["frequency", "alphabet", "order", "none"]), default="frequency",
              show_default=True, help="none only puts the trigger first.")  # fmt: skip
@click.option("--order", default="", metavar="TAGS", help="With --by order: these first, in this order.")
@click.option("--keep-first", type=click.IntRange(0), default=0, metavar="N", help="The first N stay where they are.")
@TRIGGER
def sort(by: Any, order: str, keep_first: int, trigger: str) -> Edit:
    """Sort the tags of each caption."""
    return Sort(by, tuple(tag_list([order])) if order else (), keep_first, trigger)


EDITS = {c.name: c for c in (add, remove, replace, rename, dedupe, sort)}


@click.command("apply")
@FOLDER
@click.argument("file", type=click.Path(path_type=Path))
@DRY_RUN
@txt_choice
@JSON
@click.pass_context
def apply_file(ctx: click.Context, folder: Path, file: Path, dry_run: bool, txt: Any, as_json: bool) -> None:
    """Do the edits in FILE, one per line as on the command line but without the folder, as one edit to undo.

    Lines such as: remove lips nose --where 'name=1.wav'. What follows a # is a comment. Nothing is done if any line
    is wrong.
    """
    finish(folder, list(read_steps(file, ctx.parent)), dry_run, as_json, txt)


def read_steps(file: Path, parent: click.Context | None = None) -> Sequence[Step]:
    """The edits of a command file. Raises `UserError` that tells every wrong line."""
    try:
        text = decode_text(file.read_bytes())
    except OSError as e:
        raise UserError(f"{file} cannot be read ({e.strerror})", "give a file of edits, one per line") from None
    except UserError as e:
        raise UserError(f"{file} {e.problem}", "save it again as UTF-8") from None
    steps, wrong = [], []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = _words(line)
            if words:
                steps.append(_line_step(words, f"line {number}", parent))
        except UserError as e:
            wrong.append(UserError(f"line {number}: {e.problem}", e.hint))
    raise_all(wrong, str(file))
    if not steps:
        raise UserError(f"{file} has no edits", "write one per line, such as: remove lips nose")
    return steps


def _words(line: str) -> list[str]:
    """As a shell splits it, but for '#' within a word: 'C# minor' is a key."""
    code = re.match(r"""(?:[^'"#\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*"|(?<=\S)#)*""", line)
    used = line[: code.end()] if code and line[code.end() : code.end() + 1] == "#" else line
    try:
        return shlex.split(used)
    except ValueError as e:
        raise UserError(f"'{line.strip()}' cannot be read ({e})", "close the quotes") from None


def _line_step(words: list[str], place: str, parent: click.Context | None) -> Step:
    command = EDITS.get(words[0])
    if command is None:
        raise UserError(f"there is no edit '{words[0]}'", nearest(words[0], EDITS))
    if {"-h", "--help"} & {*words}:
        raise UserError(f"'{words[0]} --help' is no edit", "type it on the command line")
    try:
        with command.make_context(words[0], [".", *words[1:]], parent=parent) as ctx:
            given = dict(ctx.params)
            wrong = [
                n for n in OF_THE_COMMAND[1:] if ctx.get_parameter_source(n) is click.core.ParameterSource.COMMANDLINE
            ]
    except click.UsageError as e:
        raise UserError(e.format_message().rstrip("."), f"see 'acestep-core tags {words[0]} --help'") from None
    if wrong:
        raise UserError(
            f"--{wrong[0].replace('as_', '').replace('_', '-')} is for the whole file", "give it to 'tags apply'"
        )
    own = {k: v for k, v in given.items() if k not in (*OF_THE_COMMAND, "where")}
    return _step(command.callback.__wrapped__, given["where"], own, place)


def finish(folder: Path, steps: Sequence[Step], dry_run: bool, as_json: bool, txt: Any) -> None:
    """Do the edits, or show what they would do, and end the program. Exit code 1 if a song has a problem."""
    if folder.is_file():
        raise UserError(f"{folder} is a file, and tags are edited beside the songs",
                        "edit the folder of songs, then save the dataset again")  # fmt: skip
    captions = open_captions(folder, txt)
    apply(captions, steps)
    planned = changes(captions)
    number = None
    if not dry_run:
        done = write_changes(folder, shlex.join(sys.argv[1:]), planned)
        number = done.entries[0] if done.entries else None
        for name, problems in done.problems.items():
            captions.problems.setdefault(name, []).extend(problems)
    if as_json:
        files = {s.name: [str(c.path) for c in planned if c.song == s.name] for s in captions.changed}
        print_json({"edit": number, "dry_run": dry_run, "changed": [_as_json(s, files) for s in captions.changed],
                    **told(captions)})  # fmt: skip
    else:
        _show(captions, dry_run, number)
    sys.exit(1 if captions.problems else 0)


def _as_json(song: Tagged, files: dict[str, list[str]]) -> dict[str, Any]:
    before, after = parse(song.song.caption).tags, song.tags
    removed, added = [t for t in before if t not in after], [t for t in after if t not in before]
    return {"song": song.name, "before": song.song.caption, "after": song.text, "removed": removed, "added": added,
            "files": files[song.name]}  # fmt: skip


def told(captions: Captions) -> dict[str, Any]:
    """Problems and notes for JSON."""
    return {"problems": {k: [str(p) for p in v] for k, v in captions.problems.items()}, "notes": captions.notes}


def tell(captions: Captions) -> None:
    """Problems and notes, a line each."""
    for name, problems in captions.problems.items():
        for problem in problems:
            click.echo(f"{name}: {problem}")
    for note in captions.notes:
        click.echo(note)


def _show(captions: Captions, dry_run: bool, number: int | None) -> None:
    if dry_run:
        for song in captions.changed:
            click.echo(song.name)
            for line in _diff(song.song.caption, song.text):
                click.echo(line)
    tell(captions)
    count = f"{len(captions.changed)} of {len(captions.songs)} captions"
    if dry_run:
        click.echo(f"{count} would change; nothing was written.")
    elif number is None:
        click.echo(f"{count} changed.")
    else:
        click.echo(f"{count} changed, edit {number}; 'acestep-core tags undo {captions.source}' takes it back.")


def _diff(before: str, after: str) -> Iterator[str]:
    yield from (f"  - {line}" for line in before.splitlines())
    yield from (f"  + {line}" for line in after.splitlines() or ["(no caption)"])
