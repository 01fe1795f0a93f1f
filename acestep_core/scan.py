"""Reads a folder of songs as users keep it: audio beside lyrics, captions, JSON and CSV files of the same stem."""

import errno
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from acestep_core.audio import EXTENSIONS, probe
from acestep_core.data import SHORTEST_S, Problem, Song
from acestep_core.errors import UserError
from acestep_core.files import content_id, decode_text
from acestep_core.key_value import looks_like_key_values, set_key_values
from acestep_core.lyrics import TIMED, clean_lyrics, has_times
from acestep_core.sidecars import JSON_FIELDS, MARKS, Marks, mark_song
from acestep_core.tables import Row, rows_by_name, rows_for

TxtMeaning = Literal["lyrics", "caption", "fields", "ignore"]


@dataclass
class Scan:
    """What a folder holds: songs in path order, and problems of files that belong to no song."""

    songs: list[Song] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def scan_folder(folder: Path, txt: TxtMeaning = "lyrics", *, recursive: bool = True) -> Scan:
    """Every audio file below `folder` with its labels. Per field: `{stem}.json` > `*.csv` > `{stem}.caption.txt`.

    Lyrics are in the first of `{stem}.lyrics.txt`, `.txt`, `.lrc`, `.srt`, `.vtt` that holds words.

    `txt` says what a bare `{stem}.txt` is; its fields, if it holds such, stand between JSON and CSV. Hidden files and
    folders are passed over, all folders if not `recursive`.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}", "give the folder that holds your songs")
    found = Scan()
    files = sorted(_visible_files(folder, found, recursive))
    paths = [p for p in files if p.suffix.lower() in EXTENSIONS]
    if not paths:
        found.notes.append(f"{folder} holds no audio: {', '.join(EXTENSIONS)} files are read")
    rows, problems, notes = rows_by_name([p for p in files if p.suffix.lower() == ".csv"])
    found.problems += problems
    found.notes += notes
    stems = Counter(p.with_suffix("") for p in paths)
    for path in paths:
        song = Song(path=path)
        read_header(song)
        _read_labels(song, rows, txt)
        if stems[path.with_suffix("")] > 1:
            others = f"several audio files are named '{path.stem}'"
            song.problems.append(Problem(others, "rename all but one, they would share their text files"))
        found.songs.append(song)
    mark_same_audio(found.songs)
    _note_unused_rows(rows, found)
    return found


def _visible_files(folder: Path, found: Scan, recursive: bool) -> Iterator[Path]:
    def tell(e: OSError) -> None:
        found.problems.append(Problem(f"{e.filename} cannot be opened ({e.strerror})", "check its permissions"))

    for root, folders, names in os.walk(folder, onerror=tell):
        folders[:] = sorted(f for f in folders if recursive and not f.startswith("."))
        yield from (Path(root) / name for name in names if not name.startswith("."))


def read_header(song: Song) -> None:
    """Set the song's id and what the header of its file says, or the problem that the file has."""
    try:
        str(song.path).encode()
        song.id = content_id(song.path)
        info = probe(song.path)
    except UnicodeEncodeError:
        song.problems.append(Problem("its name is not valid Unicode", "rename the file"))
    except OSError as e:
        song.problems.append(Problem(f"it cannot be opened ({e.strerror})", "check its permissions"))
    except UserError as e:
        song.problems.append(Problem(e.problem, e.hint))
    else:
        song.duration_s, song.rate_hz, song.channels = info.duration_s, info.rate_hz, info.channels
        if info.duration_s < SHORTEST_S:
            song.notes.append(f"shorter than {SHORTEST_S} s: encode will leave it out")


def _read_labels(song: Song, rows: dict[str, list[Row]], txt: TxtMeaning) -> None:
    """Weakest source first, so that a stronger one overwrites it."""
    base = song.path.with_suffix("")
    _set_from_text(song, "caption", Path(f"{base}.caption.txt"))
    if txt == "caption":
        _set_from_text(song, "caption", Path(f"{base}.txt"))
    _set_from_csv(song, rows)
    if txt == "fields":
        set_key_values(song, _text_of(Path(f"{base}.txt"), song), f"{base.name}.txt")
    marks = _set_from_json(song, Path(f"{base}.json"))
    for ending in (".lyrics.txt", *([".txt"] if txt == "lyrics" else []), *TIMED):
        if ending == ".lyrics.txt" or "lyrics" not in song.sources:
            _set_lyrics(song, Path(f"{base}{ending}"))
    mark_song(song, marks)
    if not song.lyrics and not song.problems:
        song.notes.append("no lyrics: treated as instrumental")


def _set_from_text(song: Song, name: str, path: Path) -> None:
    text = _text_of(path, song)
    if text and _is_prose(text, path, song):
        song.set(name, text, path.name)


def _set_lyrics(song: Song, path: Path) -> None:
    """The words of a text or subtitle file; the file itself stays as it is."""
    text = _text_of(path, song)
    if text and (path.suffix in TIMED or has_times(text)):
        cleaned = clean_lyrics(text)
        text = cleaned.text
        if path.suffix not in TIMED:
            song.notes.append(f"{path.name}: read without its {len(cleaned.removed)} time stamps and headers")
    if text and _is_prose(text, path, song):
        song.set("lyrics", text, path.name)


def _is_prose(text: str, path: Path, song: Song) -> bool:
    """False, and a problem, for a file of labels that would be taken for words."""
    if looks_like_key_values(text):
        remedy = "say --txt fields, or --txt ignore to leave such files out"
        song.problems.append(Problem(f"{path.name} holds 'key: value' labels and no plain text", remedy))
        return False
    return True


def _text_of(path: Path, song: Song) -> str:
    try:
        return decode_text(path.read_bytes()).strip()
    except OSError as e:
        if e.errno not in (errno.ENOENT, errno.ENAMETOOLONG):  # a name too long for a file is no file
            song.problems.append(Problem(f"{path.name} cannot be read ({e.strerror})", "check its permissions"))
    except UserError as e:
        song.problems.append(Problem(f"{path.name} {e.problem}", "save it again as UTF-8"))
    return ""


def _set_from_json(song: Song, path: Path) -> Marks:
    """Sets the fields of the file; returns its marks of who gave them."""
    text = _text_of(path, song)
    if not text:
        return Marks()
    try:
        content = json.loads(text, parse_constant=_no_nan)
    except (ValueError, RecursionError) as e:
        song.problems.append(Problem(f"{path.name} is no valid JSON ({e})", "correct or delete it"))
        return Marks()
    if not isinstance(content, dict):
        song.problems.append(Problem(f"{path.name} holds no JSON object", 'write {"caption": "...", "bpm": 120}'))
        return Marks()
    for name in JSON_FIELDS:
        if content.get(name) not in (None, ""):
            song.set(name, content[name], path.name)
    unknown = sorted(set(content) - {*JSON_FIELDS, MARKS})
    if unknown:
        song.notes.append(f"{path.name}: not used here: {', '.join(unknown)}")
    return Marks.of(content)


def _no_nan(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _set_from_csv(song: Song, rows: dict[str, list[Row]]) -> None:
    """Rows of a CSV name files by their name alone and speak for the CSV's folder and those below it."""
    for row in rows_for(song.path, rows):
        if song.path.is_relative_to(row.folder):
            row.used = True
            for name, value in row.values.items():
                if value:
                    song.set(name, value, row.source)


def _note_unused_rows(rows: dict[str, list[Row]], found: Scan) -> None:
    for row in (r for same in rows.values() for r in same if not r.used):
        found.notes.append(f"{row.source}: its row '{row.file}' matches no song (name and extension must be equal)")


def mark_same_audio(songs: list[Song]) -> None:
    """Give every copy of an earlier song a problem: encoded songs are named by their sound."""
    first: dict[str, Song] = {}
    for song in songs:
        if song.id and first.setdefault(song.id, song) is not song:
            same = f"it is the same recording as {first[song.id].path}"
            song.problems.append(Problem(same, "keep one of the two"))
