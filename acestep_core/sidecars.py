"""Labels written beside a song: `{stem}.lyrics.txt`, `{stem}.caption.txt` and `{stem}.json`, each whole or not at all.

Who gave a value and how sure it was stands in the JSON under a key that the reference ignores. A value without that
mark, or changed since, is a person's.
"""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from acestep_core.answers import Value
from acestep_core.api import Plugin
from acestep_core.data import CHECKS, FIELDS, Song
from acestep_core.errors import UserError
from acestep_core.files import read_text, text_id, write_json, write_text
from acestep_core.listing import composed

MARKS = "acestep"
SECTION_TAGS = "section_tags"  # beside the fields, for tags a plugin put into lyrics that are somebody else's
JSON_FIELDS = ("caption", "genre", "bpm", "keyscale", "timesignature", "language")
Unknown = Mapping[str, Sequence[str]]
NOTHING: Unknown = {}
LOW = 0.5  # less sure than this is a guess


@dataclass
class Marks:
    """What plugins did to a song: per field who gave it, how sure, an id of the value and what else it may be; per
    plugin and its options what it did not know; and the fields whose value, that of the id, a person has accepted."""

    sources: dict[str, str] = field(default_factory=dict)
    confidence: dict[str, float | None] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    reviewed: set[str] = field(default_factory=set)
    alternatives: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Marks":
        """The marks in a sidecar's JSON; what does not look like one is left out, which makes the value a person's."""
        given = content.get(MARKS) if isinstance(content.get(MARKS), dict) else {}
        sources, ids = ({k: v for k, v in _table(given, n) if isinstance(v, str)} for n in ("sources", "ids"))
        unknown = {k: [str(n) for n in v] for k, v in _table(given, "unknown") if isinstance(v, list)}
        sure, reviewed = confidences(given.get("confidence")), reviewed_fields(given.get("reviewed"))
        others = {k: v for k, v in _table(given, "alternatives") if isinstance(v, list)}
        return cls(sources, sure, ids, unknown, reviewed, others)

    def giver(self, song: Song, name: str) -> str | None:
        """The plugin that gave the field's present value; None where that was a person."""
        same = name in song.sources and self._stands(song, name)
        return self.sources.get(name) if same else None

    def accepted(self, song: Song, name: str) -> bool:
        """Whether a person has accepted the field's present value, which may be none at all."""
        return name in self.reviewed and self._stands(song, name)

    def tagger(self, song: Song) -> str | None:
        """The plugin that put the section tags into the present lyrics, until a person accepts them."""
        return self.sources.get(SECTION_TAGS) if self.ids.get(SECTION_TAGS) == value_id(song.lyrics) else None

    def forget(self, name: str) -> None:
        """The field's value is a person's from now on."""
        for table in (self.sources, self.confidence, self.ids, self.alternatives):
            table.pop(name, None)
        self.reviewed.discard(name)
        if name == "lyrics":
            self.accept_tags()

    def accept_tags(self) -> None:
        self.sources.pop(SECTION_TAGS, None)
        self.ids.pop(SECTION_TAGS, None)

    def _stands(self, song: Song, name: str) -> bool:
        """Whether the value that was marked is still the song's."""
        return name in self.ids and value_id(getattr(song, name)) in self.ids[name].split()

    def as_json(self) -> dict[str, Any]:
        """In a fixed order, so that the same marks are the same bytes."""
        tables = {n: dict(sorted(getattr(self, n).items())) for n in ("sources", "confidence", "ids", "unknown")}
        others = {"alternatives": dict(sorted(self.alternatives.items()))} if self.alternatives else {}
        return {**tables, "reviewed": sorted(self.reviewed), **others}


@dataclass(frozen=True)
class Policy:
    """What may be asked for and replaced. By default only what is missing.

    `overwrite` names fields that are replaced even where a person wrote them; `again` asks once more for what a
    plugin gave or did not know. A value that one of `plugins` gave is theirs already; one that a person accepted, or
    took away, is that person's.
    """

    plugins: tuple[str, ...] = ()
    overwrite: tuple[str, ...] = ()
    again: bool = False

    def asks(self, asker: str, name: str, song: Song, marks: Marks) -> bool:
        """Whether a plugin, called as in `asker_of`, is to be asked for this field of the song."""
        if name in marks.unknown.get(asker, ()) and not self.again:
            return False
        accepted = marks.accepted(song, name)
        if name not in song.sources and not accepted:
            return True
        giver = None if accepted else marks.giver(song, name)
        if giver is not None and self.again:
            return True
        return name in self.overwrite and (giver is None or giver not in self.plugins)


def asker_of(plugin: Plugin) -> str:
    """Its name and, since others may find what these did not, an id of its options."""
    options = json.dumps(plugin.options(), sort_keys=True, default=str)
    return plugin.name if options == "{}" else f"{plugin.name} {text_id(options)}"


def overwrite_fields(text: str, known: Collection[str] = FIELDS) -> tuple[str, ...]:
    """Fields named by 'all' or 'bpm,keyscale'. Raises `UserError` for a name that is none of `known`."""
    named = [n.strip() for n in text.split(",") if n.strip()]
    wrong = [n for n in named if n not in (*known, "all")]
    if wrong:
        raise UserError(f"There is no field '{wrong[0]}' to fill here", f"use {', '.join(known)} or all")
    return tuple(known) if "all" in named else tuple(named)


def confidences(given: Any) -> dict[str, float | None]:
    """Field -> share or None, out of JSON that may hold anything."""
    table = given.items() if isinstance(given, dict) else ()
    return {k: v for k, v in table if k in FIELDS and (v is None or is_share(v))}


def reviewed_fields(given: Any) -> set[str]:
    """Out of JSON that may hold anything. Once it was true for all fields of a song."""
    return {n for n in FIELDS if given is True or (isinstance(given, list) and n in given)}


def is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def mark_song(song: Song, marks: Marks) -> None:
    """Show in the song who gave its values. A guess that nobody has looked at becomes a note."""
    song.reviewed = [n for n in FIELDS if marks.accepted(song, n)]
    for name in [n for n in FIELDS if n in marks.ids and marks.giver(song, n)]:
        sure = marks.confidence.get(name)
        song.confidence[name] = sure
        song.sources[name] = source_of(marks.sources[name], sure)
        if sure is not None and sure < LOW and name not in song.reviewed:
            song.notes.append(f"{name} is a guess of {song.sources[name]}: check it")
    if (tagger := marks.tagger(song)) is not None:
        song.notes.append(f"lyrics: the section tags are from {tagger}: check them")


def source_of(plugin: str, confidence: float | None) -> str:
    return plugin if confidence is None else f"{plugin} {confidence:.2f}"


def sidecar(audio: Path, ending: str) -> Path:
    """`song.mp3` -> `song{ending}` beside it; the file that is there, if only its accents are spelt in another way."""
    path = Path(f"{audio.with_suffix('')}{ending}")
    if path.name.isascii() or path.exists():
        return path
    same = [n for n in os.listdir(path.parent) if composed(n) == composed(path.name)]
    return path.with_name(same[0]) if same else path


def read_marks(song: Song) -> Marks:
    return Marks.of(read_sidecar(sidecar(song.path, ".json")))


def write_labels(song: Song, values: Mapping[str, Value], plugin: str, unknown: Unknown = NOTHING) -> None:
    """Write what a plugin found, and what each asker did not know, beside the song; `song` then has the values too.

    Values must have passed the field's check. The JSON goes first: killed in between, a mark without its text is as
    if nothing had been found, while a text without its mark would pass for a person's.
    """
    path = sidecar(song.path, ".json")
    content = read_sidecar(path)
    merged = merge(content, song, values, plugin, unknown)
    if merged != content:
        write_json(path, merged)
    for name in [n for n in ("lyrics", "caption") if n in values]:
        write_text(sidecar(song.path, f".{name}.txt"), values[name].value + "\n")
    take(song, values, plugin)


def take(song: Song, values: Mapping[str, Value], plugin: str) -> None:
    """Let the song have values that a plugin found; no file is written."""
    for name, value in values.items():
        setattr(song, name, value.value)
        song.sources[name] = source_of(plugin, value.confidence)
        song.confidence[name] = value.confidence


def write_tagged(song: Song, tagged: str, plugin: str) -> None:
    """Write lyrics that got section tags from a plugin. The words stay whose they were; the tags get a mark."""
    path = sidecar(song.path, ".json")
    content = read_sidecar(path)
    marks = Marks.of(content)
    if marks.accepted(song, "lyrics"):  # the words are that person's, the tags have yet to be looked at
        marks.forget("lyrics")
    if marks.giver(song, "lyrics") is not None:  # both ids: a stop between the two files makes them nobody else's
        marks.ids["lyrics"] = f"{value_id(tagged)} {value_id(song.lyrics)}"
    marks.sources[SECTION_TAGS], marks.ids[SECTION_TAGS] = plugin, value_id(tagged)
    write_json(path, {**{k: v for k, v in content.items() if k != MARKS}, MARKS: marks.as_json()})
    lyrics = sidecar(song.path, ".lyrics.txt")
    write_text(lyrics, tagged + "\n")
    song.lyrics, song.sources["lyrics"] = tagged, song.sources.get("lyrics", lyrics.name)


def merge(
    content: Mapping[str, Any], song: Song, values: Mapping[str, Value], plugin: str, unknown: Unknown = NOTHING
) -> dict[str, Any]:
    """The sidecar's JSON with new values and marks; everything else in it stays."""
    marks, fresh = Marks.of(content), {k: v for k, v in content.items() if k != MARKS}
    for name in [n for n in FIELDS if n in values]:
        marks.forget(name)
        marks.sources[name], marks.confidence[name] = plugin, values[name].confidence
        marks.ids[name] = value_id(values[name].value)
        marks.alternatives |= {name: list(values[name].alternatives)} if values[name].alternatives else {}
        if name in JSON_FIELDS and (name != "caption" or beats_caption_txt(content, song)):
            fresh[name] = values[name].value
    for asker, fields in unknown.items():
        missing = {*marks.unknown.pop(asker, ()), *fields} - {*values}
        marks.unknown |= {asker: sorted(missing)} if missing else {}
    return {**fresh, MARKS: marks.as_json()}


def beats_caption_txt(content: Mapping[str, Any], song: Song) -> bool:
    """Whether the present caption would win over `{stem}.caption.txt`, so that only the JSON can replace it."""
    if content.get("caption") not in (None, ""):
        return True
    ours = (sidecar(song.path, ".caption.txt").name, None)
    return Marks.of(content).giver(song, "caption") is None and song.sources.get("caption") not in ours


def read_sidecar(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path) or "{}")
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as e:
        raise UserError(f"{path.name} is no valid JSON ({e})", "correct or delete it") from None
    if not isinstance(content, dict):
        raise UserError(f"{path.name} holds no JSON object", "correct or delete it")
    return content


def _table(given: Mapping[str, Any], name: str) -> Collection[tuple[str, Any]]:
    table = given.get(name)
    return table.items() if isinstance(table, dict) else ()


def value_id(value: Any) -> str:
    return text_id("\n".join(str(value).splitlines()))  # some systems write line ends of their own


def checked(
    values: Mapping[str, Any], wanted: Collection[str], plugin: str
) -> tuple[dict[str, Value], list[UserError]]:
    """A plugin's answer brought into the model's words, without what it does not know; and what cannot be used."""
    good: dict[str, Value] = {}
    errors = []
    for name in [n for n in FIELDS if n in wanted and n in values]:
        try:
            found = _checked(name, values[name])
        except ValueError as e:
            errors.append(UserError(f"{plugin} gives {name} {e}", f"report it to the makers of {plugin}"))
        else:
            if found.value not in ("", "unknown"):
                good[name] = found
    return good, errors


def _checked(name: str, given: Any) -> Value:
    if not isinstance(given, Value):
        raise ValueError(f"as {type(given).__name__} and not as Value")
    if given.confidence is not None and not is_share(float(given.confidence)):
        raise ValueError(f"with the confidence {given.confidence}, which is not from 0 to 1")
    try:
        value = CHECKS[name](given.value)
    except ValueError as e:
        raise ValueError(f"{given.value!r}, which {e}") from None
    others = tuple(v for v in map(partial(_usable, name), given.alternatives) if v not in (None, value))
    return Value(value, None if given.confidence is None else round(float(given.confidence), 4), others)


def _usable(name: str, value: Any) -> Any:
    """The value in the model's words, else None: twice a tempo may be faster than any the model knows."""
    try:
        return CHECKS[name](value)
    except ValueError:
        return None
