"""The review as a spreadsheet: written for people to change, read back with what they changed.

One row per value. Spreadsheet programs take cells that begin with certain characters for formulas: these get an
apostrophe, which is taken off again.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from acestep_core.data import FIELDS, INSTRUMENTAL, Problem, Song
from acestep_core.errors import UserError
from acestep_core.files import decode_text, write_text
from acestep_core.options import nearest
from acestep_core.reviewing import Item, accept, as_text, checked_value, nothing, set_by_user
from acestep_core.scan import TxtMeaning, scan_folder
from acestep_core.sidecars import value_id

COLUMNS = ("song", "field", "value", "accept", "alternatives", "source", "confidence", "why", "id", "original")
_NEEDED = ("song", "field", "value", "original")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠", "'")
_YES = ("x", "y", "yes", "j", "ja", "o", "oui", "s", "si", "sí", "1", "true", "wahr", "vrai", "ok", "accept", "✓")
_NO = ("", "n", "no", "nein", "non", "0", "false", "falsch", "faux", "-")
_ID = "#"  # an id such as 12345678e901 alone would come back as a number
_RESAVE = "save it in the spreadsheet program as 'CSV UTF-8' or 'Unicode text'"


@dataclass(frozen=True)
class Change:
    """What a row asks for: `what` is set (to `value`) or accept."""

    row: int
    song: Song
    field: str
    what: Literal["set", "accept"]
    before: Any
    value: Any


@dataclass
class Changes:
    """What a table asks for, rows that ask for nothing, and what is wrong with others, by row and column."""

    table: str
    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)


def write_table(path: Path, folder: Path, items: Iterable[Item]) -> int:
    """Write the items as .csv, or .tsv with tabs; returns their number. Raises `UserError` if the file is there."""
    if path.exists():
        raise UserError(f"{path} is there already and may hold your changes", "read it with --import, or name another")
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter=_delimiter(path), quoting=csv.QUOTE_ALL, lineterminator="\n")
    table.writerow(COLUMNS)
    rows = [_row(item, folder) for item in items]
    table.writerows([_guarded(cell) for cell in row] for row in rows)
    try:
        write_text(path, "\ufeff" + text.getvalue())  # Excel takes UTF-8 without the mark for another encoding
    except OSError as e:
        raise UserError(f"{path} cannot be written ({e.strerror})", "name a file somewhere else") from None
    return len(rows)


def read_table(path: Path, folder: Path, txt: TxtMeaning = "lyrics") -> Changes:
    """What a table that came from `write_table` and was changed asks for. Nothing is written."""
    records = list(_records(path))
    found = scan_folder(folder, txt).songs
    songs = {_ID + s.id: s for s in reversed(found) if s.id}
    paths = {_place(s, folder): s for s in found}
    result, seen = Changes(path.name), dict[tuple[Path, str], int]()
    for number, record in records:
        try:
            song = _song_of(record, songs, paths)
            change = _change(number, record, song)
            first = seen.setdefault((song.path, _field(record)), number)
            if first != number:
                raise UserError(f"field: the row says again what row {first} says", "delete one of the two")
        except UserError as e:
            result.problems.append(Problem(f"{path.name}, row {number}, {e.problem}", e.hint))
        else:
            result.unchanged += change is None
            result.changes += [change] if change else []
    return result


def apply_changes(wanted: Changes, tell: Callable[[Change], None] = lambda change: None) -> None:
    """Write each change beside its song; one that cannot be written becomes a problem, the others go on."""
    for change in list(wanted.changes):
        try:
            if change.what == "accept":
                accept(change.song, change.field)
            else:
                set_by_user(change.song, change.field, change.value)
            tell(change)
        except UserError as e:
            wanted.changes.remove(change)
            wanted.problems.append(Problem(f"{wanted.table}, row {change.row}, value: {e.problem}", e.hint))


def _row(item: Item, folder: Path) -> tuple[str, ...]:
    sure = item.song.confidence.get(item.field)
    return (
        _place(item.song, folder),
        item.field,
        as_text(item.value),
        "",
        " / ".join(map(as_text, item.alternatives)),
        item.source,
        "" if sure is None else f"{sure:.2f}",
        "; ".join(item.why),
        _ID + item.song.id,
        _ID + value_id(item.value),
    )


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() in (".tsv", ".tab") else ","


def _place(song: Song, folder: Path) -> str:
    return song.path.relative_to(folder).as_posix()


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(row as a spreadsheet counts it, cells by column) of the rows that hold anything."""
    lines = _text_of(path)
    if lines.lower().startswith("sep="):
        lines = lines.partition("\n")[2]
    header = lines.partition("\n")[0]
    reader = csv.reader(io.StringIO(lines, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        columns = [c.strip().lower() for c in next(reader, [])]
        missing = [c for c in _NEEDED if c not in columns]
        if missing:
            raise UserError(f"{path.name} has no column '{missing[0]}'", "write it with 'acestep-core review --export'")
        for number, cells in enumerate(reader, 2):
            if any(c.strip() for c in cells):
                padded = [*map(_unguarded, cells), *[""] * len(columns)]
                yield number, dict(zip(columns, padded, strict=False))
    except csv.Error as e:
        raise UserError(f"{path.name} is no table ({e})", _RESAVE) from None


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise UserError(f"{path} cannot be read ({e.strerror})", "give the file that --export wrote") from None
    try:
        return raw.decode("utf-16") if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else decode_text(raw)
    except UnicodeDecodeError:
        raise UserError(f"{path.name} is UTF-16 that is cut off", _RESAVE) from None
    except UserError as e:
        raise UserError(f"{path.name} {e.problem}: letters may be lost", _RESAVE) from None


def _song_of(record: Mapping[str, str], songs: Mapping[str, Song], paths: Mapping[str, Song]) -> Song:
    place = record["song"].strip().replace("\\", "/")
    song = songs.get(record.get("id", "").strip()) or paths.get(place)
    if song is None:
        raise UserError(f"song: there is no song '{place}'", "give the folder that was exported")
    if song.problems:
        raise UserError(f"song: {place} cannot be used ({song.problems[0].text})", song.problems[0].remedy)
    return song


def _field(record: Mapping[str, str]) -> str:
    name = record["field"].strip().lower()
    if name not in FIELDS:
        raise UserError(f"field: there is no field '{name}'", nearest(name, FIELDS))
    return name


def _change(number: int, record: Mapping[str, str], song: Song) -> Change | None:
    name, original = _field(record), record["original"].strip()
    if len(original) < 2 or not original.startswith(_ID):
        raise UserError(f"original: '{original}' is not what was exported", "restore the column, or export again")
    accepted, before = _says_yes(record.get("accept", "")), getattr(song, name)
    try:
        value = checked_value(name, _typed(name, record["value"]))
    except UserError as e:
        raise UserError(f"value: {e.problem}", e.hint) from None
    unchanged = _ID + value_id(value) == original
    if unchanged and not accepted:
        return None
    if name == "lyrics" and value == "" and before != "":
        value = INSTRUMENTAL
    if value_id(value) == value_id(before):
        asked = (unchanged or name in song.unreviewed) and name not in song.reviewed
        return Change(number, song, name, "accept", before, value) if asked else None
    if _ID + value_id(before) != original:
        raise UserError(f"value: {name} of {song.path.name} has changed since the export", "export it again")
    if _lost_letters(as_text(before), as_text(value)):
        raise UserError(f"value: letters of {name} have become '?'", _RESAVE)
    return Change(number, song, name, "set", before, value)


def _typed(name: str, cell: str) -> str:
    """What was meant: spreadsheets of many countries write 92.5 with a comma."""
    cell = cell.strip()
    return cell.replace(",", ".") if name == "bpm" else "" if cell == nothing(name) else cell


def _says_yes(cell: str) -> bool:
    word = cell.strip().lower()
    if word not in (*_YES, *_NO):
        raise UserError(f"accept: '{cell.strip()}' is neither yes nor no", "write x to accept, else nothing")
    return word in _YES


def _lost_letters(before: str, after: str) -> bool:
    """Whether the text differs by question marks alone, as left by saving in an encoding that lacks its letters."""
    pairs = [(a, b) for a, b in zip(before, after, strict=False) if a != b]
    return len(before) == len(after) and bool(pairs) and all(b == "?" and ord(a) > 127 for a, b in pairs)
