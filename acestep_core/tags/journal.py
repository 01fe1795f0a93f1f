"""Captions written one file at a time, and a journal beside the songs that brings back what was there before.

The journal is written first, whole: wherever a kill falls, each file is as it was or as the journal says, and
`undo` tells the two apart.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from acestep_core.data import Problem
from acestep_core.errors import UserError
from acestep_core.files import write_bytes

JOURNAL = Path(".acestep") / "tags-journal.jsonl"


@dataclass(frozen=True)
class FileChange:
    """A file of a song, what it holds and what it shall hold; None = there is none."""

    song: str
    path: Path
    before: bytes | None
    after: bytes | None


@dataclass
class Entry:
    """One edit as the journal has it: (song, file, what it held, id of what was written)."""

    number: int
    at: str
    command: str
    files: list[tuple[str, Path, bytes | None, str]] = field(default_factory=list)
    undone: bool = False
    begun: bool = False
    """Undoing it was begun, and perhaps killed."""


@dataclass
class Outcome:
    """Files written, by song, and problems by song."""

    written: dict[str, list[Path]] = field(default_factory=dict)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    entries: list[int] = field(default_factory=list)


def write_changes(folder: Path, command: str, changes: Sequence[FileChange]) -> Outcome:
    """Journal, then write. A file that changed since it was read is left alone and told."""
    done = Outcome()
    if not changes:
        return done
    number = max((e.number for e in entries(folder)), default=0) + 1
    head = {"edit": number, "at": datetime.now().isoformat(timespec="seconds"), "command": command}
    lines = [{"edit": number, "song": c.song, "file": c.path.relative_to(folder).as_posix(),
              "before": None if c.before is None else c.before.decode("utf-8"), "after": _id(c.after)}
             for c in changes]  # fmt: skip
    _append(folder / JOURNAL, [head, *lines])
    done.entries.append(number)
    for change in changes:
        _write(change, done)
    return done


def undo(folder: Path, count: int = 1, dry_run: bool = False) -> Outcome:
    """Bring back what stood there before the last `count` edits that were not undone yet."""
    found = entries(folder)
    if not found:
        raise UserError(f"{folder} has no edits to undo", "give the folder that the tags were edited in")
    done, refused = Outcome(), set()
    states: dict[Path, str] = {}
    for entry in reversed([e for e in found if not e.undone]):
        if len(done.entries) == count:
            break
        if not dry_run:
            _append(folder / JOURNAL, [{"undoing": entry.number}])
        _undo_one(entry, states, done, refused, dry_run)
        if not dry_run:
            _append(folder / JOURNAL, [{"undone": entry.number}])
    if not done.entries and not done.problems:
        raise UserError(f"All edits in {folder} are undone already", "see 'tags stats' for what is there")
    return done


def _undo_one(entry: Entry, states: dict[Path, str], done: Outcome, refused: set[Path], dry_run: bool) -> None:
    """`states` are ids of files as they would be, for a dry run of several edits."""
    worked = entry.begun
    for song, path, before, after in entry.files:
        now = states.get(path) or _id(_read(path))
        if path in refused or (now == _id(before) and now != after):
            continue
        worked = True
        if now != after:
            refused.add(path)
            text = f"{path.name} was changed since edit {entry.number}, it stays as it is"
            done.problems.setdefault(song, []).append(Problem(text, "take the tags back by hand"))
            continue
        states[path] = _id(before)
        if dry_run:
            done.written.setdefault(song, []).append(path)
        else:
            _put(FileChange(song, path, None, before), done)
    if worked:
        done.entries.append(entry.number)


def entries(folder: Path) -> list[Entry]:
    """The edits in the journal, oldest first. A line that a kill cut off counts for nothing: no file had changed."""
    found: dict[int, Entry] = {}
    for line in _lines(folder / JOURNAL):
        number = line.get("edit")
        if line.get("undone") in found:
            found[line["undone"]].undone = True
        elif line.get("undoing") in found:
            found[line["undoing"]].begun = True
        elif "command" in line:
            found[number] = Entry(number, str(line.get("at")), str(line["command"]))
        elif number in found:
            before = None if line["before"] is None else line["before"].encode("utf-8")
            found[number].files.append((line["song"], folder / line["file"], before, line["after"]))
    return list(found.values())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return
    for line in raw.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content


def _append(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """On a new line, even behind one that a kill cut off; on the disk before this returns."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("ab+") as f:
            if f.tell() and f.seek(-1, os.SEEK_END) >= 0 and f.read(1) != b"\n":
                text = "\n" + text
            f.write(text.encode())
            f.flush()
            os.fsync(f.fileno())
    except OSError as e:
        raise UserError(f"{path} cannot be written ({e.strerror})", "check the permissions of its folder") from None


def _write(change: FileChange, done: Outcome) -> None:
    if _id(_read(change.path)) != _id(change.before):
        text = f"{change.path.name} was changed by something else meanwhile, it stays as it is"
        done.problems.setdefault(change.song, []).append(Problem(text, "run the command again"))
        return
    _put(change, done)


def _put(change: FileChange, done: Outcome) -> None:
    try:
        if change.after is None:
            change.path.unlink(missing_ok=True)
        else:
            write_bytes(change.path, change.after)
    except OSError as e:
        text = f"{change.path.name} cannot be written ({e.strerror})"
        done.problems.setdefault(change.song, []).append(Problem(text, "check its permissions"))
    else:
        done.written.setdefault(change.song, []).append(change.path)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as e:
        raise UserError(f"{path} cannot be read ({e.strerror})", "check its permissions") from None


def _id(content: bytes | None) -> str:
    return "none" if content is None else sha256(content).hexdigest()
