"""Tables of labels beside songs, as Key-BPM-Finder and spreadsheets write them: one row per file name."""

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from acestep_core.data import Problem
from acestep_core.errors import UserError
from acestep_core.files import decode_text

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
    used: bool = False


def rows_by_name(paths: Sequence[Path]) -> tuple[dict[str, list[Row]], list[Problem], list[str]]:
    """(rows by file name, problems, notes) of these tables, in their order; look them up with `rows_for`."""
    rows: dict[str, list[Row]] = {}
    problems, notes = [], []
    for path in paths:
        try:
            for row in _rows_of(path, notes):
                rows.setdefault(_composed(row.file), []).append(row)
        except UserError as e:
            problems.append(Problem(f"{path.name} {e.problem}", "save it again as UTF-8"))
        except OSError as e:
            problems.append(Problem(f"{path.name} cannot be read ({e.strerror})", "check its permissions"))
        except csv.Error as e:
            problems.append(Problem(f"{path.name} is no table ({e})", "save it again as CSV"))
    return rows, problems, notes


def rows_for(audio: Path, rows: dict[str, list[Row]]) -> list[Row]:
    """The rows that name this file, whatever folder they speak for; a later one wins."""
    return rows.get(_composed(audio.name), [])


def _composed(name: str) -> str:
    """macOS spells 'é' in file names as two characters, tables as one."""
    return unicodedata.normalize("NFC", name)


def _rows_of(path: Path, notes: list[str]) -> Iterator[Row]:
    text = decode_text(path.read_bytes())
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = {(n or "").strip().lower(): n for n in reader.fieldnames or ()}
    if "file" not in names:
        notes.append(f"{path.name}: no 'File' column, not read")
        return
    for record in reader:
        values = {to: (record.get(names[col]) or "").strip() for col, to in COLUMNS.items() if col in names}
        yield Row((record[names["file"]] or "").strip(), path.parent, path.name, values)
