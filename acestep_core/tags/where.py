"""Selects songs by a line such as 'tag:piano and not tag:vocal and bpm>120'."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from acestep_core.data import CHECKS, Song
from acestep_core.errors import UserError, raise_all
from acestep_core.options import nearest
from acestep_core.tags.captions import normal
from acestep_core.tags.edits import compiled

NUMBERS = {"bpm": "bpm", "duration": "duration_s", "tags": ""}
TEXTS = {
    "caption": "caption",
    "genre": "genre",
    "lyrics": "lyrics",
    "key": "keyscale",
    "keyscale": "keyscale",
    "timesignature": "timesignature",
    "language": "language",
    "title": "title",
    "artist": "artist",
    "name": "",
    "path": "",
}
_TERM = re.compile(r"(not\s+)*(\w+)\s*(:|~|<=|>=|=|<|>)\s*(.*)", re.S | re.I)
_AND = re.compile(r"""\s+and\s+(?=(?:[^"]*"[^"]*")*[^"]*$)""", re.I)


@dataclass(frozen=True)
class Selected:
    """A song as `--where` sees it: its labels, and the caption and tags it has now."""

    song: Song
    caption: str
    tags: tuple[str, ...]


Where = Callable[[Selected], bool]


def everything(song: Selected) -> bool:
    return True


def parse_where(line: str) -> Where:
    """What the line selects. Raises `UserError` that tells all that is wrong with it.

    Terms: `tag:NAME` and `tag~REGEX`; `FIELD=VALUE`, `FIELD~REGEX`, numbers with < <= = >= >; `has:FIELD`. Each may
    have `not` before it, and `and` stands between two. Case does not count; "quotes" keep an 'and' in a name.
    """
    terms: list[Where] = []
    wrong: list[UserError] = []
    for text in _AND.split(line.strip()):
        try:
            terms.append(_term(text.strip()))
        except UserError as e:
            wrong.append(e)
    raise_all(wrong, f"--where '{line}'")
    return lambda song: all(term(song) for term in terms)


def _term(text: str) -> Where:
    found = _TERM.fullmatch(text)
    if found is None:
        raise UserError(f"'{text}' selects nothing",
                        "write tag:NAME, has:FIELD, FIELD=VALUE or FIELD~REGEX, with 'and' between; "
                        "a name with 'and' in it goes in quotes")  # fmt: skip
    name, sign, value = found[2].lower(), found[3], _unquoted(found[4].strip())
    if not value:
        raise UserError(f"'{text}' has no value", f"write {name}{sign}VALUE; for what is missing 'not has:FIELD'")
    if re.search(r"\s(?:or|\|\|)\s+(?:not\s+)?\w+\s*[:~<>=]", found[4]):
        raise UserError(f"There is no 'or' in '{text}'", "use two commands, or tag~'one|other'")
    chosen = _tag(sign, value) if name == "tag" else _has(value) if name == "has" else _field(name, sign, value)
    negated = len(re.findall(r"\bnot\s+", text[: found.start(2)], re.I)) % 2 == 1
    return (lambda song: not chosen(song)) if negated else chosen


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _tag(sign: str, value: str) -> Where:
    if sign in (":", "="):
        return lambda song: normal(value) in map(normal, song.tags)
    if sign != "~":
        raise UserError(f"Tags have no order, so 'tag{sign}{value}' selects nothing", "use tag:NAME or tag~REGEX")
    pattern = re.compile(compiled(value).pattern, re.I)
    return lambda song: any(pattern.fullmatch(t) for t in song.tags)


def _has(name: str) -> Where:
    _known(name.lower())
    read = _reader(name.lower())
    return lambda song: read(song) not in (None, "", 0, "unknown")


def _field(name: str, sign: str, value: str) -> Where:
    _known(name)
    read = _reader(name)
    if sign == "~":
        pattern = re.compile(compiled(value).pattern, re.I)
        return lambda song: bool(pattern.search(str(read(song) if read(song) is not None else "")))
    if name in NUMBERS:
        return _compared(name, sign, value)
    if sign != "=":
        raise UserError(f"'{name}{sign}{value}' compares no numbers", f"use {name}={value} or {name}~REGEX")
    wanted = _checked(name, value).casefold()
    return lambda song: str(read(song)).casefold() == wanted


def _compared(name: str, sign: str, value: str) -> Where:
    try:
        wanted = float(value)
    except ValueError:
        raise UserError(f"{name} is a number and '{value}' is none", f"write {name}>120") from None
    read = _reader(name)
    compare: dict[str, Callable[[float], bool]] = {
        "<": lambda n: n < wanted,
        "<=": lambda n: n <= wanted,
        "=": lambda n: n == wanted,
        ">=": lambda n: n >= wanted,
        ">": lambda n: n > wanted,
    }
    if sign not in compare:
        raise UserError(f"'{name}{sign}{value}' compares nothing", f"write {name}={value}")
    return lambda song: (n := read(song)) is not None and compare[sign](float(n))


def _checked(name: str, value: str) -> str:
    """The value in the model's words, as songs have it: 'Dm' is 'D minor'."""
    field = TEXTS[name]
    if field not in ("keyscale", "timesignature", "language"):
        return value
    try:
        return str(CHECKS[field](value))
    except ValueError as e:
        raise UserError(f"{name} '{value}' {e}", f"or select with {name}~REGEX") from None


def _known(name: str) -> None:
    known: Sequence[str] = (*NUMBERS, *TEXTS)
    if name not in known:
        raise UserError(f"There is no field '{name}' to select by", nearest(name, [*known, "tag", "has"]))


def _reader(name: str) -> Callable[[Selected], object]:
    own: dict[str, Callable[[Selected], object]] = {
        "tags": lambda s: len(s.tags),
        "caption": lambda s: s.caption,
        "name": lambda s: s.song.path.name,
        "path": lambda s: str(s.song.path),
        "lyrics": lambda s: "" if s.song.instrumental else s.song.lyrics,
    }
    return own.get(name) or (lambda s: getattr(s.song, NUMBERS.get(name) or TEXTS[name]))
