"""Reads what the model said: strictly where a grammar held it, leniently where another program's model spoke."""

import re
from collections.abc import Sequence

from acestep_core.lm.grammars import NAMES
from acestep_core.lm.requests import FASTEST, FIELDS, LONGEST_S, SHORTEST_S, SLOWEST, Answer, Metas, Origin, Request
from acestep_core.lm.wording import END, THINK, THOUGHT
from acestep_core.prompts import KEYSCALES, LANGUAGES, TIMESIGNATURES

_FIELD = re.compile(rf"^({'|'.join(NAMES)}|vocal_language|key|time_signature)\s*:\s?(.*)$")
_SAME = {"vocal_language": "language", "key": "keyscale", "time_signature": "timesignature"}
_LYRIC = re.compile(r"^\s*#\s*Lyrics?\s*:?\s*\n?", re.IGNORECASE)


def read(text: str, request: Request, cut: Sequence[str] = ()) -> Answer:
    """The answer in a text. `cut` names fields that the grammar ended; what the user gave is never replaced."""
    thought, rest = _parted(text)
    said = read_metas(thought)
    given = request.metas
    metas = Metas(**{f: getattr(given, f) or getattr(said, f) for f in FIELDS})
    origins: dict[str, Origin] = {}
    for name in FIELDS:
        if getattr(given, name):
            origins[name] = "user"
        elif getattr(metas, name):
            origins[name] = "constraint" if name in cut else "model"
    lyrics = _LYRIC.sub("", rest).strip()
    if lyrics:
        origins["lyrics"] = "constraint" if "lyrics" in cut else "model"
    return Answer(metas, lyrics, (), origins, text)


def read_metas(thought: str) -> Metas:
    """Fields of the lines between the tags. What is out of range or unknown is left out."""
    found: dict[str, list[str]] = {}
    now: list[str] | None = None
    for line in thought.split("\n"):
        field = _FIELD.match(line)
        if field:
            now = found.setdefault(_SAME.get(field[1], field[1]), [])
            now.append(field[2])
        elif now is not None and line[:1].isspace():
            now.append(line)
        else:
            now = None
    told = {name: _unquoted(" ".join(map(str.strip, lines)).strip()) for name, lines in found.items()}
    return Metas(
        bpm=_number(told.get("bpm"), SLOWEST, FASTEST),
        caption=told.get("caption", ""),
        duration_s=_number(told.get("duration"), SHORTEST_S, LONGEST_S),
        genres=told.get("genres", ""),
        keyscale=_one_of(told.get("keyscale", ""), KEYSCALES),
        language=_one_of(told.get("language", ""), LANGUAGES),
        timesignature=_one_of(told.get("timesignature", "").removesuffix("/4"), TIMESIGNATURES),
    )


def _parted(text: str) -> tuple[str, str]:
    """(what is thought, what is said after it); an unclosed thought ends where the lyrics begin."""
    text = text.split(END)[0]
    if THOUGHT in text:
        thought, _, rest = text.partition(THOUGHT)
    else:
        thought, mark, rest = text.partition("# Lyric")
        rest = mark + rest
    return thought.replace(THINK, ""), rest


def _unquoted(value: str) -> str:
    """YAML's quotes taken off."""
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value


def _number(value: str | None, least: int, most: int) -> int | None:
    digits = re.match(r"\d+", value or "")
    return int(digits[0]) if digits and least <= int(digits[0]) <= most else None


def _one_of(value: str, known: Sequence[str]) -> str:
    by_name = {k.casefold(): k for k in known}
    return by_name.get(value.casefold(), "")
