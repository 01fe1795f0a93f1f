"""Kohya's metadata files: a JSON object of path -> {caption, tags}, or a JSONL line per song."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.audio import EXTENSIONS
from acestep_core.data import FIELDS, Problem
from acestep_core.errors import UserError
from acestep_core.files import decode_text, text_at

_PATHS = ("audio_path", "image_path", "file_name")  # ours, Kohya's, that of Hugging Face's AudioFolder


@dataclass
class Metadata:
    """What a file says: per path as written, its values; and what in it could not be read."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_metadata(path: Path, separator: str = ",") -> Metadata:
    """A .json or .jsonl file; captions and tags are joined by the separator, as Kohya has it."""
    text = text_at(path, "check its path")
    found = Metadata()
    unused: set[str] = set()
    for place, name, values in _entries(path, text, found):
        if name in found.entries:
            found.problems.append(Problem(f"{place} names {name} again", "keep one of the two"))
            continue
        found.entries[name] = _labels(values, separator)
        unused |= {k for k in values if k not in (*FIELDS, "tags", *_PATHS)}
    if unused:
        found.notes.append(f"{path.name}: not used here: {', '.join(sorted(unused))}")
    return found


def looks_like_metadata(path: Path) -> bool:
    """Whether a .json file is Kohya's: an object that holds objects and is no dataset."""
    try:
        content = json.loads(decode_text(path.read_bytes()))
    except (OSError, UserError, ValueError, RecursionError):
        return False  # whoever loads it tells what is wrong
    if not isinstance(content, dict) or not {"samples", "metadata", "datasets"}.isdisjoint(content):
        return False
    return any(isinstance(v, dict) for v in content.values())


def audio_of(name: str, folders: tuple[Path, ...]) -> list[Path]:
    """The files a path may stand for: as it is, or, since Kohya leaves endings out, with one of ours."""
    for folder in folders:
        base = folder / name
        if os.path.isfile(base):  # False, too, for names that no file can have
            return [base]
        found = [p for e in EXTENSIONS if os.path.isfile(p := Path(f"{base}{e}"))]
        if found:
            return found
    return []


def _entries(path: Path, text: str, found: Metadata) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(place, path as written, values) of every entry that is one; the others become problems."""
    jsonl = path.suffix.lower() == ".jsonl"
    for place, name, values in _lines(path, text, found) if jsonl else _table(path, text):
        if not isinstance(values, dict):
            found.problems.append(Problem(f"{place} holds no JSON object", 'write {"caption": "..."}'))
        elif not isinstance(name, str) or not name:
            found.problems.append(Problem(f"{place} names no audio file", f"add {_PATHS[0]}"))
        else:
            yield place, name, values


def _table(path: Path, text: str) -> Iterator[tuple[str, Any, Any]]:
    try:
        content = _parsed(text)
    except (ValueError, RecursionError) as e:
        raise UserError(f"{path} is no valid JSON ({e})", "correct it") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object", 'write {"song": {"caption": "..."}}')
    yield from ((f"{path.name}: {name}", name, values) for name, values in content.items())


def _lines(path: Path, text: str, found: Metadata) -> Iterator[tuple[str, Any, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        place = f"{path.name} line {number}"
        if not line.strip():
            continue
        try:
            values = _parsed(line)
        except (ValueError, RecursionError) as e:
            found.problems.append(Problem(f"{place} is no valid JSON ({e})", "correct it"))
            continue
        known = values if isinstance(values, dict) else {}
        yield place, next((known[k] for k in _PATHS if k in known), None), values


def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=_no_nan, object_pairs_hook=_once)


def _no_nan(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else ()
    if twice:
        raise ValueError(f"'{twice[0]}' stands in it twice")
    return dict(pairs)


def _labels(values: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """Values by field. A caption and tags that are text are joined; what is not is left for the field's check."""
    labels = {k: values[k] for k in FIELDS if values.get(k) not in (None, "")}
    tags = values.get("tags")
    if isinstance(tags, list) and all(isinstance(t, str) for t in tags):
        tags = f"{separator.strip() or separator} ".join(tags)
    if tags in (None, ""):
        return labels
    caption = labels.get("caption")
    if caption is None or not (isinstance(caption, str) and isinstance(tags, str)):
        return labels | {"caption": tags if caption is None else [caption, tags]}
    return labels | {"caption": f"{caption.strip()}{separator} {tags.strip()}"}
