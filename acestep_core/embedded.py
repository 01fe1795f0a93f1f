"""Labels out of the tags inside audio files, as players and DJ programs write them.

Title, artist, tempo, key and lyrics are read. They are the weakest source; what cannot be used is a note and costs no
song.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from acestep_core.charsets import likely_charset
from acestep_core.data import CHECKS, Song
from acestep_core.lyrics import clean_lyrics, has_times

SOURCE = "tags"
_NAMES = {  # field -> what programs call it
    "bpm": ("bpm", "tempo"),
    "keyscale": ("initial_key", "initialkey", "key"),
    "lyrics": ("lyrics", "unsyncedlyrics", "unsynced lyrics"),
}
_UNKNOWN = {"bpm": re.compile(r"0+([.,]0*)?"), "keyscale": re.compile(r"o|off[- ]?key|none|unknown|all", re.IGNORECASE),
            "lyrics": re.compile(r"\[?(instrumental|inst)\.?\]?", re.IGNORECASE)}  # fmt: skip
# the wheels of keys that DJ programs number: Camelot's 8A and 8B, Open Key's 1m and 1d are A minor and C major
_MINOR = ["Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "Db"]
_MAJOR = ["B", "F#", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E"]
_WHEEL = re.compile(r"\s*0?(\d|1[0-2])\s*([ABabmd])\s*")
_LINK = re.compile(r"\s*(https?://|www\.)\S+\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Tags:
    """What the tags of one file say, as it stands there; `note` says why they could not be read."""

    title: str = ""
    artist: str = ""
    texts: Mapping[str, list[str]] = field(default_factory=dict)
    note: str = ""


def read_tags(file: BinaryIO) -> Tags:
    """The tags of an open audio file; never raises for what is in them."""
    from tinytag import TinyTag, TinyTagException

    file.seek(0)
    try:
        found = TinyTag.get(file_obj=file, duration=False)
    except TinyTagException as e:  # it wraps whatever its parsers meet
        return Tags(note=f"its tags cannot be read ({e})")
    if not found.other:
        return Tags(_line(found.title), _line(found.artist))
    other = {name.lower(): values for name, values in found.other.items()}
    texts = {
        to: [t.strip() for name in names for t in other.get(name, ()) if t.strip()] for to, names in _NAMES.items()
    }
    return Tags(_line(found.title), _line(found.artist), {k: v for k, v in texts.items() if v})


def set_from_tags(song: Song, tags: Tags) -> None:
    """Fill the fields that no file beside the song has given."""
    song.title, song.artist = tags.title, tags.artist
    song.notes += [tags.note] if tags.note else []
    for name, texts in tags.texts.items():
        known = [t for t in texts if not _UNKNOWN[name].fullmatch(t)]
        if known and name not in song.sources:
            _set(song, name, known)


def _set(song: Song, name: str, texts: list[str]) -> None:
    """The first text that can be used, else a note of why the first could not."""
    reasons = []
    for text in texts:
        try:
            value = CHECKS[name](_READ[name](text))
        except ValueError as e:
            reasons.append(f"{name} {_short(text)} in its tags {e}, not used")
        else:
            setattr(song, name, value)
            song.sources[name] = SOURCE
            return
    song.notes.append(reasons[0])


def key_of(text: str) -> str:
    """A key as the model spells it out of 'Am', '8A' (Camelot) or '1m' (Open Key); other texts as they are."""
    wheel = _WHEEL.fullmatch(text)
    if wheel is None or wheel[1] == "0":
        return text
    letter, hour = wheel[2].lower(), int(wheel[1])
    if letter in "md":
        hour += 7
    return f"{(_MINOR if letter in 'am' else _MAJOR)[(hour - 1) % 12]} {'minor' if letter in 'am' else 'major'}"


def _lyrics(text: str) -> str:
    if _LINK.fullmatch(text):
        raise ValueError("is a link and no lyrics")
    if "\ufffd" in text:
        raise ValueError("has characters that were lost")
    charset = _mislabelled(text)
    if charset:
        raise ValueError(f"is {charset} under a wrong name: save the tags again as Unicode")
    words = clean_lyrics(text).text if has_times(text) else text.replace("\r\n", "\n").replace("\r", "\n")
    if not words.strip():
        raise ValueError("has no words")
    return words


def _mislabelled(text: str) -> str:
    """The encoding of a text that old programs stored as Latin-1 whatever it was; "" if it is what it says."""
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        return ""
    found = None if raw.isascii() else likely_charset(raw)
    return "" if found is None or found.codec in ("cp1252", "cp1250", "cp1254") else found.name


_READ = {"bpm": lambda text: text.replace(",", "."), "keyscale": key_of, "lyrics": _lyrics}


def _line(text: str | None) -> str:
    """Unicode of one line, whatever stands in the tag."""
    return " ".join((text or "").encode("utf-8", "replace").decode().split())


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
