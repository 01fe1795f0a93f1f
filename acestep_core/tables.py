"""Tables of labels beside songs, as Key-BPM-Finder and spreadsheets write them: one row per file name."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from acestep_core.data import Problem
from acestep_core.errors import UserError
from acestep_core.files import read_text
from acestep_core.listing import composed

COLUMNS = {
    "bpm": "bpm",
    "key": "keyscale",
    "caption": "caption",
    "genre": "genre",
    "timesignature": "timesignature",
    "language": "language",
}
"""Columns by their heads in small letters; the last three are ours, as `dataset export` writes them."""


@dataclass
class Row:
    """What a table says about the files of one name in its folder and below; `values` by field, "" = nothing."""

    file: str
    folder: Path
    source: str
    values: dict[str, str]
    used: list[Path] = field(default_factory=list)


def rows_by_name(paths: Sequence[Path]) -> tuple[dict[str, list[Row]], list[Problem], list[str]]:
    """(rows by file name, problems, notes) of these tables, in their order; look them up with `rows_for`."""
    rows: dict[str, list[Row]] = {}
    problems, notes = [], []
    for path in paths:
        try:
            for row in _rows_of(path, notes):
                rows.setdefault(composed(row.file), []).append(row)
        except UserError as e:
            problems.append(Problem(e.problem, e.hint))
        except OSError as e:
            problems.append(Problem(f"{path.name} cannot be read ({e.strerror})", "check its permissions"))
        except csv.Error as e:
            problems.append(Problem(f"{path.name} is no table ({e})", "save it again as CSV"))
    return rows, problems, notes


def rows_for(audio: Path, rows: dict[str, list[Row]]) -> list[Row]:
    """The rows that name this file, whatever folder they speak for; a later one wins."""
    return rows.get(composed(audio.name), [])


def row_notes(rows: dict[str, list[Row]], songs: Sequence[Path]) -> Iterator[str]:
    """What is odd about rows once all songs were looked up: matching none or several, and differing about one."""
    unused = [r for same in rows.values() for r in same if not r.used]
    near = _by_likeness(songs) if unused else {}
    for row in unused:
        name = composed(row.file).casefold()
        like = near.get(name) or near.get(name.rpartition(".")[0])
        hint = f"; is '{like}' meant?" if like else ""
        yield f"{row.source}: its row '{row.file}' matches no song (name and extension must be equal){hint}"
    for row in (r for same in rows.values() for r in same if len(r.used) > 1):
        songs_meant = ", ".join(map(str, row.used))
        yield f"{row.source}: its row '{row.file}' counts for {len(row.used)} songs: {songs_meant}"
    for earlier, later in (pair for same in rows.values() for pair in pairwise(same)):
        if (earlier.source, earlier.folder) == (later.source, later.folder) and _differ(earlier.values, later.values):
            yield f"{later.source}: two rows of '{later.file}' differ, the later one counts"


def _by_likeness(songs: Sequence[Path]) -> dict[str, str]:
    """File names by what a row may have in their place: the name in another case, or without or with another ending."""
    stems = {composed(p.stem).casefold(): p.name for p in songs}
    return stems | {composed(p.name).casefold(): p.name for p in songs}


def _differ(a: dict[str, str], b: dict[str, str]) -> bool:
    return any(a[n] and b[n] and a[n] != b[n] for n in a)


def _rows_of(path: Path, notes: list[str]) -> Iterator[Row]:
    text = read_text(path)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = {(n or "").strip().lower(): n for n in reader.fieldnames or ()}
    if "file" not in names:
        notes.append(f"{path.name}: no 'File' column, not read")
        return
    for record in reader:
        values = {to: (record.get(names[col]) or "").strip() for col, to in COLUMNS.items() if col in names}
        yield Row((record[names["file"]] or "").strip(), path.parent, path.name, values)
