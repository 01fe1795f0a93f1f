"""What a person has to look at in a folder of songs, and what that person decides.

The command, the spreadsheet and pages all stand on these functions. A decision is written beside the song at once.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.data import BPM_RANGE, CHECKS, FIELDS, INSTRUMENTAL, Song, usable
from acestep_core.errors import UserError
from acestep_core.files import decode_text, write_json, write_text
from acestep_core.lyrics import clean_lyrics, has_times
from acestep_core.options import nearest
from acestep_core.scan import TxtMeaning, scan_folder
from acestep_core.sidecars import (
    JSON_FIELDS,
    MARKS,
    Marks,
    beats_caption_txt,
    read_marks,
    read_sidecar,
    sidecar,
    value_id,
)

TEXTS = ("lyrics", "caption")  # too long for a line; each has a file of its own
_NOTHING: dict[str, Any] = {"bpm": None, "language": "unknown"}  # of the other fields it is ""


@dataclass(frozen=True)
class Item:
    """The value of one field of a song, and why a person should look at it."""

    song: Song
    field: str
    why: tuple[str, ...]

    @property
    def value(self) -> Any:
        return getattr(self.song, self.field)

    @property
    def source(self) -> str:
        """The plugin that gave it, else the file; "" where there is no value."""
        source = self.song.sources.get(self.field, "")
        sure = self.song.confidence.get(self.field)
        return source if sure is None else source.rpartition(" ")[0]

    @property
    def alternatives(self) -> list[Any]:
        """What else it may be: what the plugin said, else for a tempo half and twice of it."""
        if self.field not in self.song.confidence:
            return []
        given = read_marks(self.song).alternatives.get(self.field, [])
        octaves = (self.value // 2, self.value * 2) if self.field == "bpm" and not given else ()
        return [*given, *(n for n in octaves if BPM_RANGE[0] <= n <= BPM_RANGE[1])]


def review_items(
    folder: str | Path,
    *,
    everything: bool = False,
    fields: Collection[str] = FIELDS,
    txt: TxtMeaning = "lyrics",
) -> Iterator[Item]:
    """What needs a person: guesses, values a scan has a note about, lyrics of a plugin that nobody has read.

    `everything`: each value of a plugin that nobody has accepted. Songs with problems are left out.
    """
    for song in usable(scan_folder(Path(folder), txt).songs):
        yield from items_of(song, everything, fields)


def items_of(song: Song, everything: bool = False, fields: Collection[str] = FIELDS) -> Iterator[Item]:
    """As `review_items`, of one song as it was scanned."""
    for name in [n for n in FIELDS if n in fields and n not in song.reviewed]:
        why = song.notes_on(name)
        if name in song.unreviewed and name == "lyrics":
            why.append(f"nobody has read these lyrics of {song.sources[name]}")
        elif name in song.unreviewed and everything and not why:
            why.append(f"nobody has accepted this {name} of {song.sources[name]}")
        if why:
            yield Item(song, name, tuple(why))


def accept(song: Song, name: str) -> None:
    """The person agrees with the field's present value. Who gave it and how sure stays on record."""
    with _written(song, name) as content:
        marks = Marks.of(content)
        if marks.giver(song, name) is None:
            marks.forget(name)
        if name == "lyrics":
            marks.accept_tags()
        marks.ids[name] = value_id(getattr(song, name))
        marks.reviewed.add(name)
        write_json(sidecar(song.path, ".json"), _with_marks(content, marks))
    _set_reviewed(song, name, True)


def set_by_user(song: Song, name: str, value: Any) -> None:
    """The person gives the value: it is nobody else's from now on. "" takes it away, and plugins do not put it back.

    Lyrics taken away make the song instrumental. Raises `UserError` for a value that cannot be used.
    """
    given = checked_value(name, value)
    if name == "lyrics" and given == "":
        given = INSTRUMENTAL
    empty = given == nothing(name)
    with _written(song, name) as content:
        if empty:
            _check_own(song, name)
        fresh = _with_value(content, song, name, None if empty else given)
        if name in TEXTS:  # before the JSON: killed in between, a text that fits no mark is a person's
            _write_text(sidecar(song.path, f".{name}.txt"), given)
        if fresh != content:
            write_json(sidecar(song.path, ".json"), fresh)
    setattr(song, name, given)
    song.confidence.pop(name, None)
    song.sources.pop(name, None)
    if not empty:
        song.sources[name] = sidecar(song.path, f".{name}.txt" if name in TEXTS else ".json").name
    _set_reviewed(song, name, empty)


def nothing(name: str) -> Any:
    """The value of the field where none is known."""
    return _NOTHING.get(name, "")


def checked_value(name: str, value: Any) -> Any:
    """The value in the model's words. Raises `UserError` for one that cannot be used."""
    if name not in CHECKS:
        raise UserError(f"There is no field '{name}'", nearest(name, CHECKS))
    if value in ("", None):
        return nothing(name)
    try:
        given = CHECKS[name]("\n".join(value.splitlines()) if isinstance(value, str) else value)
    except ValueError as e:
        raise UserError(f"{name} {value!r} {e}", "give another value") from None
    return clean_lyrics(given).text if name == "lyrics" and has_times(given) else given


def as_text(value: Any) -> str:
    """A value as people read and write it; "" for none."""
    return "" if value in (None, "unknown") else str(value)


@contextmanager
def _written(song: Song, name: str) -> Iterator[dict[str, Any]]:
    """The present content of the song's JSON; a file that cannot be written is told as a `UserError`."""
    try:
        content = read_sidecar(sidecar(song.path, ".json"))
        taken_back = name in song.confidence and Marks.of(content).giver(song, name) is None
        if taken_back or value_id(_beside(song, name, content)) != value_id(getattr(song, name)):
            raise UserError(f"{name} of {song.path.name} has changed since it was read", "review it again")
        yield content
    except OSError as e:
        where = Path(e.filename or song.path).name
        raise UserError(f"{where} cannot be written ({e.strerror})", "check its permissions") from None


def _beside(song: Song, name: str, content: dict[str, Any]) -> Any:
    """What the files say by now, as far as they win over other sources; else what the song has."""
    if name in JSON_FIELDS and content.get(name) not in (None, ""):
        return checked_value(name, content[name])
    path = sidecar(song.path, f".{name}.txt")
    ours = name == "lyrics" or name in song.confidence or song.sources.get(name) == path.name
    text = decode_text(path.read_bytes()).strip() if name in TEXTS and ours and path.exists() else ""
    return checked_value(name, text) if text else getattr(song, name)


def _check_own(song: Song, name: str) -> None:
    """What stands in a table of the user's would come back."""
    ours = (sidecar(song.path, ".json").name, sidecar(song.path, ".caption.txt").name)
    source = song.sources.get(name)
    if source is not None and name not in song.confidence and source not in ours:
        raise UserError(f"{name} of {song.path.name} comes from {source}", "delete it there")


def _with_value(content: dict[str, Any], song: Song, name: str, value: Any) -> dict[str, Any]:
    """The JSON with a person's value, or without any where it is None."""
    fresh, marks = dict(content), Marks.of(content)
    if name in JSON_FIELDS and value is None:
        fresh.pop(name, None)
    elif name in JSON_FIELDS and (name != "caption" or beats_caption_txt(content, song)):
        fresh[name] = value
    marks.forget(name)
    if value is None:
        marks.ids[name] = value_id(nothing(name))
        marks.reviewed.add(name)
    return _with_marks(fresh, marks)


def _with_marks(content: dict[str, Any], marks: Marks) -> dict[str, Any]:
    rest = {k: v for k, v in content.items() if k != MARKS}
    return rest if marks == Marks() else {**rest, MARKS: marks.as_json()}


def _write_text(path: Path, text: str) -> None:
    if text:
        write_text(path, text + "\n")
    else:
        path.unlink(missing_ok=True)


def _set_reviewed(song: Song, name: str, reviewed: bool) -> None:
    present = {*song.reviewed} - {name} | ({name} if reviewed else set())
    song.reviewed = [n for n in FIELDS if n in present]
