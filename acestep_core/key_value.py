"""Text files of `key: value` lines beside songs, as the community trainer Side-Step keeps its labels.

`lyrics:` comes last and takes the rest of the file. Several names are known for most keys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from acestep_core.data import CHECKS, INSTRUMENTAL, OVERRIDES, Problem, Song

_NAMES: Mapping[str, tuple[str, ...]] = {
    "caption": (),
    "genre": (),
    "bpm": ("tempo",),
    "keyscale": ("key", "scale"),
    "timesignature": ("signature", "time_signature", "sig"),
    "language": ("lang",),
    "lyrics": (),
    "custom_tag": ("trigger", "tags"),
    "prompt_override": (),
    "is_instrumental": (),
    "duration": (),
    "repeat": (),
}
KEYS = {name: key for key, others in _NAMES.items() for name in (key, *others)}
UNUSED = ("duration", "repeat")
_LINE = re.compile(r"\s*([A-Za-z_]+)\s*:(.*)")


@dataclass
class KeyValues:
    """Values by our names of the fields, and the lines that are no `key: value`, with their numbers."""

    values: dict[str, str] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)


def read_key_values(text: str) -> KeyValues:
    """What the lines say; a key given twice keeps its first value and is odd, as are unknown keys."""
    found = KeyValues()
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        key = KEYS.get(match[1].lower()) if match else None
        if match and key == "lyrics" and key not in found.values:
            found.values[key] = "\n".join([match[2], *lines[number:]]).strip()
            break
        if match and key and key not in found.values:
            found.values[key] = match[2].strip()
        elif line.strip():
            found.odd.append(f"line {number} '{line.strip()[:40]}'")
    return found


def looks_like_key_values(text: str) -> bool:
    """Whether the first two lines with words both begin with a known key, which lyrics and captions do not."""
    lines = [line for line in text.splitlines() if line.strip()][:2]
    keys = [m[1].lower() in KEYS for m in map(_LINE.match, lines) if m]
    return len(lines) > 0 and len(keys) == len(lines) and all(keys)


def set_key_values(song: Song, text: str, source: str) -> None:
    """Give the song what the text says; a line that cannot be used is a problem, as it may be a label misspelt."""
    read = read_key_values(text)
    if read.odd:
        remedy = f"correct it; the keys are {', '.join(_NAMES)}, with lyrics last"
        song.problems.append(Problem(f"{source}: {read.odd[0]} is no 'key: value' line", remedy))
    for name, value in read.values.items():
        if name in CHECKS and value:
            song.set(name, value, source)
    song.custom_tag = read.values.get("custom_tag", "")
    _set_override(song, read.values.get("prompt_override", "").lower(), source)
    _set_instrumental(song, read.values.get("is_instrumental", "").lower(), source)
    unused = [k for k in UNUSED if k in read.values]
    if unused:
        song.notes.append(f"{source}: not used here: {', '.join(unused)}")


def _set_override(song: Song, value: str, source: str) -> None:
    if value in ("", "none", "null"):
        return
    if value in OVERRIDES:
        song.prompt_override = value
    else:
        song.problems.append(Problem(f"{source}: prompt_override is '{value}'", "use caption, genre or nothing"))


def _set_instrumental(song: Song, value: str, source: str) -> None:
    if value in ("true", "yes", "1") and "lyrics" not in song.sources:
        song.set("lyrics", INSTRUMENTAL, source)
    elif value not in ("", "true", "yes", "1", "false", "no", "0"):
        song.problems.append(Problem(f"{source}: is_instrumental is '{value}'", "use true or false"))
