"""Reads a folder of songs as users keep it: audio beside lyrics, captions, JSON and CSV files of the same stem."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from acestep_core.audio import EXTENSIONS, probe_open
from acestep_core.data import Problem, Song
from acestep_core.embedded import Tags, read_tags, set_from_tags
from acestep_core.errors import UserError
from acestep_core.files import content_id, decode_text, is_utf16
from acestep_core.findings import header_notes, text_notes
from acestep_core.key_value import looks_like_key_values, set_key_values
from acestep_core.listing import Listing, composed
from acestep_core.lyrics import TIMED, clean_lyrics, has_times
from acestep_core.sidecars import JSON_FIELDS, MARKS, Marks, mark_song
from acestep_core.tables import Row, row_notes, rows_by_name, rows_for

_NOT_READ = (".m4a", ".aac", ".mp4", ".wma", ".aif", ".aiff", ".ape", ".wv")
TxtMeaning = Literal["lyrics", "caption", "fields", "ignore"]


@dataclass
class Scan:
    """What a folder holds: songs in path order, and problems of files that belong to no song."""

    songs: list[Song] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def scan_folder(folder: Path, txt: TxtMeaning = "lyrics", *, recursive: bool = True) -> Scan:
    """Every audio file below `folder` with its labels.

    Per field: `{stem}.json` > `*.csv` > `{stem}.caption.txt` > the tags inside the file. Lyrics are in the first of
    `{stem}.lyrics.txt`, `.txt`, `.lrc`, `.srt`, `.vtt` that holds words, else in the tags.

    `txt` says what a bare `{stem}.txt` is; its fields, if it holds such, stand between JSON and CSV. Hidden files and
    folders are passed over, all folders if not `recursive`.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}", "give the folder that holds your songs")
    found = Scan()
    listing = Listing.of(folder, lambda e: found.problems.append(_closed(e)), recursive)
    paths = listing.ending_with(*EXTENSIONS)
    if not paths:
        found.notes.append(f"{folder} holds no audio: {', '.join(EXTENSIONS)} files are read")
    if others := listing.ending_with(*_NOT_READ):
        kinds = ", ".join(sorted({p.suffix.lower() for p in others}))
        found.notes.append(f"{len(others)} files of other audio ({kinds}) are not read: convert them to .flac")
    rows, problems, notes = rows_by_name(listing.ending_with(".csv"))
    found.problems += problems
    found.notes += notes
    found.songs = [Song(path=path) for path in paths]
    with ThreadPoolExecutor(1) as pool:  # hashing is a third of the work, and keeps no other thread from its own
        ids = pool.submit(lambda: [_id(path) for path in paths])
        for song, tags in [(song, _open(song)) for song in found.songs]:
            _read_labels(song, listing, rows, txt, tags)
    for song, ident in zip(found.songs, ids.result(), strict=True):
        song.id = ident
    _mark_same_stems(found.songs)
    mark_same_audio(found.songs)
    found.notes += [*row_notes(rows, paths), *_stray_notes(listing)]
    return found


def _closed(e: OSError) -> Problem:
    return Problem(f"{e.filename} cannot be opened ({e.strerror})", "check its permissions")


def read_header(song: Song) -> Tags:
    """Set the song's id, title, artist and what its header says, or the problem that the file has; returns its tags."""
    song.id = _id(song.path)
    return _open(song)


def _id(path: Path) -> str:
    """Of a file that cannot be opened "": why is told where it is opened for its header."""
    try:
        return content_id(path)
    except (OSError, UnicodeEncodeError):
        return ""


def _open(song: Song) -> Tags:
    try:
        str(song.path).encode()
        with open(song.path, "rb") as file:
            info = probe_open(song.path, file)
            tags = read_tags(file)
    except UnicodeEncodeError:
        song.problems.append(Problem("its name is not valid Unicode", "rename the file"))
    except OSError as e:
        song.problems.append(Problem(f"it cannot be opened ({e.strerror})", "check its permissions"))
    except UserError as e:
        song.problems.append(Problem(e.problem, e.hint))
    else:
        song.duration_s, song.rate_hz, song.channels = info.duration_s, info.rate_hz, info.channels
        song.title, song.artist = tags.title, tags.artist
        song.notes += header_notes(song)
        return tags
    return Tags()


def _read_labels(song: Song, listing: Listing, rows: dict[str, list[Row]], txt: TxtMeaning, tags: Tags) -> None:
    """Weakest source first, so that a stronger one overwrites it; the tags fill what nothing else gave."""
    texts = listing.beside(song.path)
    for ending in (".caption.txt", *([".txt"] if txt == "caption" else [])):
        if ending in texts:
            _set_from_text(song, "caption", texts[ending])
    _set_from_csv(song, rows)
    if txt == "fields" and ".txt" in texts:
        set_key_values(song, _text_of(texts[".txt"], song), os.path.basename(texts[".txt"]))
    marks = _set_from_json(song, texts[".json"]) if ".json" in texts else Marks()
    for ending in (".lyrics.txt", *([".txt"] if txt == "lyrics" else []), *TIMED):
        if ending in texts and (ending == ".lyrics.txt" or "lyrics" not in song.sources):
            _set_lyrics(song, texts[ending], ending in TIMED)
    mark_song(song, marks)
    set_from_tags(song, tags)
    song.notes += text_notes(song)


def _set_from_text(song: Song, name: str, path: str) -> None:
    text = _text_of(path, song)
    if text and _is_prose(text, path, song):
        song.set(name, text, os.path.basename(path))


def _set_lyrics(song: Song, path: str, timed: bool) -> None:
    """The words of a text or subtitle file; the file itself stays as it is."""
    text, name = _text_of(path, song), os.path.basename(path)
    if text and (timed or has_times(text)):
        cleaned = clean_lyrics(text)
        text = cleaned.text
        if not timed:
            song.notes.append(f"{name}: read without its {len(cleaned.removed)} time stamps and headers")
    if text and _is_prose(text, path, song):
        song.set("lyrics", text, name)


def _is_prose(text: str, path: str, song: Song) -> bool:
    """False, and a problem, for a file of labels that would be taken for words."""
    if looks_like_key_values(text):
        remedy = "say --txt fields, or --txt ignore to leave such files out"
        name = os.path.basename(path)
        song.problems.append(Problem(f"{name} holds 'key: value' labels and no plain text", remedy))
        return False
    return True


def _text_of(path: str, song: Song) -> str:
    name = os.path.basename(path)
    try:
        with open(path, "rb", buffering=0) as file:
            raw = file.read()
        text = decode_text(raw, path)
    except OSError as e:
        song.problems.append(Problem(f"{name} cannot be read ({e.strerror})", "check its permissions"))
    except UserError as e:
        song.problems.append(Problem(e.problem, e.hint))
    else:
        if is_utf16(raw):
            song.notes.append(f"{name}: read as UTF-16, as its byte-order mark says")
        return text.strip()
    return ""


def _set_from_json(song: Song, path: str) -> Marks:
    """Sets the fields of the file; returns its marks of who gave them."""
    text, file = _text_of(path, song), os.path.basename(path)
    if not text:
        return Marks()
    try:
        content = _STRICT.decode(text)
    except (ValueError, RecursionError) as e:
        song.problems.append(Problem(f"{file} is no valid JSON ({e})", "correct or delete it"))
        return Marks()
    if not isinstance(content, dict):
        song.problems.append(Problem(f"{file} holds no JSON object", 'write {"caption": "...", "bpm": 120}'))
        return Marks()
    for name in JSON_FIELDS:
        if content.get(name) not in (None, ""):
            song.set(name, content[name], file)
    unknown = sorted(set(content) - {*JSON_FIELDS, MARKS})
    if unknown:
        song.notes.append(f"{file}: not used here: {', '.join(unknown)}")
    return Marks.of(content)


def _no_nan(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _no_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Programs differ in which of two values they take, so neither is taken."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and found[name] != value:
            raise ValueError(f"'{name}' stands in it with two values")
        found[name] = value
    return found


_STRICT = json.JSONDecoder(parse_constant=_no_nan, object_pairs_hook=_no_doubles)


def _set_from_csv(song: Song, rows: dict[str, list[Row]]) -> None:
    """Rows of a CSV name files by their name alone and speak for the CSV's folder and those below it."""
    for row in rows_for(song.path, rows):
        if song.path.is_relative_to(row.folder):
            row.used.append(song.path)
            for name, value in row.values.items():
                if value:
                    song.set(name, value, row.source)


def _stray_notes(listing: Listing) -> Iterator[str]:
    for path, reason in listing.strays():
        yield f"{path}: not read, {reason}"


def _mark_same_stems(songs: Sequence[Song]) -> None:
    stems = [composed(str(song.path.with_suffix(""))) for song in songs]
    count = Counter(stems)
    for song, stem in zip(songs, stems, strict=True):
        if count[stem] > 1:
            others = f"several audio files are named '{song.path.stem}'"
            song.problems.append(Problem(others, "rename all but one, they would share their text files"))


def mark_same_audio(songs: list[Song]) -> None:
    """Give every copy of an earlier song a problem: encoded songs are named by their sound."""
    first: dict[str, Song] = {}
    for song in songs:
        if song.id and first.setdefault(song.id, song) is not song:
            same = f"it is the same recording as {first[song.id].path}"
            song.problems.append(Problem(same, "keep one of the two"))
