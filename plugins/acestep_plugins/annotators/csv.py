"""Tempo, key and caption from tables, such as Key-BPM-Finder writes: columns File, BPM, Key, Caption."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from acestep_core import Annotator, Song, UserError, hookimpl, option
from acestep_core.answers import Value
from acestep_core.data import CHECKS
from acestep_core.errors import raise_all
from acestep_core.tables import Row, rows_by_name, rows_for


class Csv(Annotator):
    """The row that names the song's file, in a table beside the song or above it; the nearest table wins."""

    name = "csv"

    file: Path | None = option(None, "the table to read, instead of those beside and above the song")
    levels: int = option(2, "how many folders above the song's are looked through", ge=0)

    def __post_init__(self):
        self._listed: dict[Path, tuple[Path, ...]] = {}
        self._rows: dict[tuple[Path, ...], dict[str, list[Row]]] = {}

    def annotate(self, song: Song, wanted: Sequence[str]) -> Mapping[str, Value]:
        found: dict[str, Value] = {}
        for tables in self._tables(song.path):
            for row in rows_for(song.path, self._read(tables)):
                found |= {name: _value(name, text, row) for name, text in row.values.items() if text and name in wanted}
        return found

    def _tables(self, audio: Path) -> list[tuple[Path, ...]]:
        """Tables by folder, the farthest first."""
        if self.file is not None:
            return [(self.file,)]
        folders = audio.resolve().parents[: self.levels + 1]
        return [self._tables_in(f) for f in reversed(folders)]

    def _tables_in(self, folder: Path) -> tuple[Path, ...]:
        """Each folder is looked through once; one that may not be read has no tables."""
        if folder not in self._listed:
            self._listed[folder] = tuple(sorted(p for p in folder.glob("*") if p.suffix.lower() == ".csv"))
        return self._listed[folder]

    def _read(self, paths: tuple[Path, ...]) -> dict[str, list[Row]]:
        """Each table is read once, whatever the number of songs."""
        if paths not in self._rows:
            rows, problems, _ = rows_by_name(paths)
            raise_all([UserError(p.text, p.remedy) for p in problems], "The tables")
            self._rows[paths] = rows
        return self._rows[paths]


def _value(name: str, text: str, row: Row) -> Value:
    try:
        return Value(CHECKS[name](text))
    except ValueError as e:
        raise UserError(f"{name} '{text}' in {row.source} {e}", f"correct it in {row.source}") from e


@hookimpl
def acestep_annotators():
    return [Csv]
