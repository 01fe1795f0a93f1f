"""Finds the songs of a subset and gives each the caption that Kohya's rules say."""

import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.data import Problem, Song
from acestep_core.errors import UserError
from acestep_core.files import decode_text
from acestep_core.key_value import looks_like_key_values
from acestep_core.kohya.metadata import Metadata, audio_of, read_metadata
from acestep_core.kohya.subsets import KohyaDataset, Subset
from acestep_core.kohya.toml_file import with_dot
from acestep_core.scan import Scan, TxtMeaning, scan_folder
from acestep_core.sidecars import sidecar

CAPTION = ".caption"
"""The ending that Kohya's trainers look for when nothing is said."""

ASK_TOML = 'write txt_role = "caption", "lyrics", "fields" or "ignore", or caption_extension = ".txt"'
ASK_OPTION = "say --txt caption, --txt lyrics, --txt fields or --txt ignore"


@dataclass
class _Found:
    """The songs of a subset, and everything told about its files."""

    songs: list[Song]
    told: list[Scan | Metadata]


def fill(dataset: KohyaDataset, subset: Subset, ask: str = ASK_TOML, scanned: Scan | None = None) -> list[UserError]:
    """Put the subset's songs into it and the dataset. Returns what must be said before anything can go on.

    Its folder is not read again where a folder above it was `scanned`.
    """
    role: TxtMeaning | None = "ignore" if with_dot(subset["caption_extension"]) == ".txt" else subset["txt_role"]
    if scanned is not None:
        found = _Found(_below(subset, scanned.songs), [])
    else:
        found = _from_metadata(subset, role) if subset.metadata else _from_folder(subset, role)
    for part in found.told:
        dataset.problems += part.problems
        dataset.notes += part.notes
    subset.songs = found.songs
    dataset.songs += found.songs
    unused = [source for song in found.songs if (source := _caption(song, subset))]
    if unused:
        problem = f"{subset.name}: the captions of songs without a {_extension(subset)} file are not used"
        remedy = "take caption_extension out, or write these files"
        dataset.problems.append(Problem(f"{problem} ({unused[0]}, {len(unused)} in all)", remedy))
    for song in found.songs:
        song.repeats = subset["num_repeats"]
        song.custom_tag = subset["trigger"] or ""
    errors = _bare_txt(subset, ask) if role is None else []
    return errors or _uncaptioned(subset)


def _from_folder(subset: Subset, role: TxtMeaning | None) -> _Found:
    found = scan_folder(subset.folder, role or "ignore", recursive=subset["recursive"])
    return _Found(found.songs, [found])


def _below(subset: Subset, songs: list[Song]) -> list[Song]:
    return [s for s in songs if subset.folder in (s.path.parents if subset["recursive"] else (s.path.parent,))]


def _from_metadata(subset: Subset, role: TxtMeaning | None) -> _Found:
    """The songs that a metadata file names, with other labels from beside them."""
    metadata = read_metadata(subset.metadata, subset["caption_separator"])
    beside = subset.metadata.parent
    folders = (subset.folder,) if subset.folder else (beside, Path())
    paths = {name: audio_of(name, folders) for name in metadata.entries}
    parents = sorted({p[0].parent for p in paths.values() if p})
    scans = {folder: scan_folder(folder, role or "ignore", recursive=False) for folder in parents}
    known = {s.path.resolve(): s for scan in scans.values() for s in scan.songs}
    source = subset.metadata.name
    songs: dict[int, Song] = {}
    for name, labels in metadata.entries.items():
        song = _named(name, paths[name], known, source)
        if id(song) in songs:
            metadata.problems.append(Problem(f"{source} names {song.path} twice", "keep one of the two"))
        else:
            songs[id(song)] = song
            _label(song, labels, source)
    others = len([s for s in known.values() if id(s) not in songs])
    if others:
        metadata.notes.append(f"{source} leaves out {others} songs that lie beside those it names")
    scanned = [Scan(problems=scan.problems) for scan in scans.values()]
    return _Found(list(songs.values()), [metadata, *scanned])


def _label(song: Song, labels: Mapping[str, Any], source: str) -> None:
    """What the metadata says wins over what lies beside the song."""
    for field, value in labels.items():
        _forget(song, field)
        song.set(field, value, source)
    if "lyrics" in labels:
        song.notes = [n for n in song.notes if not n.startswith("no lyrics")]


def _named(name: str, paths: list[Path], known: dict[Path, Song], source: str) -> Song:
    """The song an entry is about; one that cannot be found is a song with a problem."""
    if len(paths) == 1 and paths[0].resolve() in known:
        return known[paths[0].resolve()]
    song = Song(path=paths[0] if paths else Path(name))
    if len(paths) > 1:
        endings = ", ".join(p.suffix for p in paths)
        song.problems.append(Problem(f"'{name}' in {source} may be {endings}", "write it with its ending"))
    else:
        problem = "it is no audio that is read here" if paths else "the audio file is missing"
        song.problems.append(Problem(problem, f"correct '{name}' in {source}"))
    return song


def _extension(subset: Subset) -> str | None:
    return None if subset.metadata else with_dot(subset["caption_extension"])


def _caption(song: Song, subset: Subset) -> str:
    """Set the caption of the file that Kohya would read, else the class tokens; then what is put around it.

    Returns where the caption is that stays unused because the file it was looked for in is not there, else "".
    """
    extension, unused = _extension(subset), ""
    if extension is not None:
        scanned, source = song.caption, song.sources.get("caption", "")
        _set_from(song, sidecar(song.path, extension), subset["enable_wildcard"])
        unused = source if scanned and not song.caption else ""
        if scanned and song.sources.get("caption") != source:
            song.notes.append(f"the caption in {source} is not used: caption_extension is {extension}")
    elif not song.caption and not subset.metadata:
        _set_from(song, sidecar(song.path, CAPTION), subset["enable_wildcard"])
    if not song.caption and subset["class_tokens"]:
        song.set("caption", subset["class_tokens"], "class_tokens")
    around = (subset["caption_prefix"], song.caption, subset["caption_suffix"])
    song.caption = " ".join(part for part in around if part)
    return unused


def _set_from(song: Song, path: Path, wildcards: bool) -> None:
    """The first line of a file, or with `wildcards` all: others are alternatives. Without a file, no caption."""
    lines: list[str] = []
    try:
        lines = decode_text(path.read_bytes()).strip().splitlines()
    except OSError as e:
        if e.errno not in (errno.ENOENT, errno.ENAMETOOLONG):  # a name too long for a file is no file
            song.problems.append(Problem(f"{path.name} cannot be read ({e.strerror})", "check its permissions"))
    except UserError as e:
        song.problems.append(Problem(f"{path.name} {e.problem}", "save it again as UTF-8"))
    song.caption = ""
    _forget(song, "caption")
    if looks_like_key_values("\n".join(lines)):
        told = Problem(f"{path.name} holds 'key: value' labels and no plain text", 'write txt_role = "fields" instead')
        song.problems.append(told)
    elif lines:
        song.set("caption", "\n".join(lines if wildcards else lines[:1]), path.name)
    if len(lines) > 1 and not wildcards:
        song.notes.append(f"{path.name} has {len(lines)} lines; the first is the caption, as Kohya's tools have it")


def _forget(song: Song, name: str) -> None:
    """Drop what was said about a value that another one takes the place of."""
    song.notes = [n for n in song.notes if n not in song.notes_on(name)]
    song.sources.pop(name, None)
    song.confidence.pop(name, None)


def _bare_txt(subset: Subset, ask: str) -> list[UserError]:
    texts = _beside(subset.songs, ".txt")
    if not texts:
        return []
    what = f"{texts[0].name} and {len(texts) - 1} other bare .txt files lie" if texts[1:] else f"{texts[0].name} lies"
    where = f"{what} beside the songs of {subset.name}"
    return [UserError(f"{where}, and nothing says whether that is the caption or the lyrics", ask)]


def _uncaptioned(subset: Subset) -> list[UserError]:
    """Captions that are there under another ending than the one that is read would all be unused without a word."""
    extension = _extension(subset)
    songs = [s for s in subset.songs if not s.problems]
    if extension is None or not songs or any(s.sources.get("caption", "").endswith(extension) for s in songs):
        return []
    for ending in (CAPTION, ".caption.txt", *([".txt"] if subset["txt_role"] == "caption" else [])):
        others = _beside(songs, ending) if ending != extension else []
        if others:
            problem = f"No song of {subset.name} has a {extension} file, but {len(others)} have a {ending} file"
            return [UserError(problem, f'write caption_extension = "{ending}"')]
    return []


def _beside(songs: Iterable[Song], ending: str) -> list[Path]:
    return [p for s in songs if s.id and os.path.isfile(p := sidecar(s.path, ending))]
