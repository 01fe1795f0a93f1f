"""Reads a dataset TOML: `[general]`, `[[datasets]]` and `[[datasets.subsets]]`, each inheriting from the one before.

All mistakes are told at once, each with its line and table.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError, raise_all
from acestep_core.files import text_at
from acestep_core.kohya.keys import DATASET, FOREIGN, GENERAL, KEYS, PLACES, SUBSET
from acestep_core.kohya.positions import Path as Place
from acestep_core.kohya.positions import lines_of, said_twice
from acestep_core.kohya.subsets import Subset
from acestep_core.options import nearest

EXAMPLE = '[[datasets]]\n  [[datasets.subsets]]\n  audio_dir = "songs"'
_FRAME_PAIR_S = 0.08  # the model sees two latent frames as one, 25 frames a second
_NO_CAPTIONS = (".json", ".csv", ".lyrics.txt", ".lrc", ".srt", ".vtt")


def read_toml(path: Path) -> list[Subset]:
    """The subsets of a file, without songs yet. Raises one `UserError` that tells everything wrong with it."""
    text = text_at(path, "give the dataset TOML or the folder of songs")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        again = [f"'{name}' of line {first} stands again in line {line}" for name, line, first in said_twice(text)]
        raise UserError(f"{path} is no valid TOML ({'; '.join(again) or e})", "correct it") from None
    _check_kind(content, path)
    reader = _Reader(path, lines_of(text))
    subsets = reader.subsets(content)
    raise_all(reader.errors, str(path))
    return subsets


def _check_kind(content: Mapping[str, Any], path: Path) -> None:
    """Not every TOML is a dataset: a run's settings are often given by mistake."""
    if not {"general", "datasets"} & content.keys() and not KEYS.keys() & content.keys():
        found = f"it has {', '.join(content)}" if content else "it is empty"
        raise UserError(f"{path} is no dataset: {found}, but neither [general] nor [[datasets]]",
                        f"give the file that a run's dataset_config names, or begin with\n{EXAMPLE}")  # fmt: skip


@dataclass
class _Reader:
    path: Path
    lines: Mapping[Place, int]
    errors: list[UserError] = field(default_factory=list)

    def subsets(self, content: Mapping[str, Any]) -> list[Subset]:
        for name in [n for n in content if n not in ("general", "datasets")]:
            hint = f"write it under {_places(name)}" if name in KEYS else nearest(name, ("general", "datasets"))
            self._error((name,), f"'{name}' stands outside of every table" if name in KEYS else _nothing(name), hint)
        general = self._table(content.get("general", {}), ("general",), GENERAL, "[general]")
        found = []
        for number, dataset in enumerate(self._tables(content, "datasets", ())):
            place = ("datasets", number)
            label = f"[[datasets]] {number + 1}"
            layer = self._table(dataset, place, DATASET, label)
            inner = self._tables(dataset, "subsets", place)
            layers = {"[general]": general, label: layer}
            found += [self._subset(s, (*place, "subsets", i), layers, number) for i, s in enumerate(inner)]
        if not found and not self.errors:
            self._error((), "it names no songs", f"add\n{EXAMPLE}")
        self._check_agreement(found)
        return found

    def _tables(self, table: Mapping[str, Any], name: str, place: Place) -> list[Mapping[str, Any]]:
        header = f"[[{'datasets.' if place else ''}{name}]]"
        found = table.get(name, [])
        if not isinstance(found, list) or not all(isinstance(t, dict) for t in found):
            self._error((*place, name), f"'{name}' is no list of tables", f"write {header}")
            return []
        if not found and (place or name in table):
            self._error((*place, name), f"{_label(place)}it has no {header}", f"add {header} with an audio_dir")
        return found

    def _table(self, table: Any, place: Place, letter: str, label: str) -> dict[str, Any]:
        """The keys of one table that are right; the others are told."""
        if not isinstance(table, dict):
            self._error(place, f"'{place[-1]}' is no table", f"write {label}")
            return {}
        good = {}
        for name in [n for n in table if not (letter == DATASET and n == "subsets")]:
            problem, hint = _mistake(name, table[name], letter)
            if problem:
                self._error((*place, name), f"{label}: {problem}", hint)
            else:
                good[name] = table[name]
        return good

    def _subset(self, table: Any, place: Place, layers: Mapping[str, Mapping[str, Any]], dataset: int) -> Subset:
        label = f"[[datasets]] {dataset + 1}, subset {place[-1] + 1}"
        own = self._table(table, place, SUBSET, label)
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for source, layer in {**layers, label: own}.items():
            values |= layer
            origins |= dict.fromkeys(layer, source)
        self._check_subset(table, own, values, origins, place, label)
        given = values.get("audio_dir", values.get("image_dir"))
        subset = Subset(given or values.get("metadata_file") or label, dataset=dataset, values=values, origins=origins)
        key = "image_dir" if "image_dir" in own else "audio_dir"
        subset.folder = self._found(given, (*place, key), label, "folder")
        subset.metadata = self._found(values.get("metadata_file"), (*place, "metadata_file"), label, "file")
        return subset

    def _found(self, given: str | None, place: Place, label: str, kind: str) -> Path | None:
        """Beside the TOML first, else from the current folder, as paths in a dataset.json are."""
        if given is None:
            return None
        for path in (self.path.parent / given, Path(given)):
            if os.path.isdir(path) if kind == "folder" else os.path.isfile(path):
                return path
        self._error(place, f"{label}: there is no {kind} {given}", f"paths start at {self.path.parent.resolve()}")
        return None

    def _check_subset(self, table: Any, own: Mapping[str, Any], values: Mapping[str, Any],
                      origins: Mapping[str, str], place: Place, label: str) -> None:  # fmt: skip
        """What is wrong with a subset as a whole; an inherited value is told where it stands."""
        places = (place, place[:2], ("general",))

        def say(key: str, problem: str, hint: str) -> None:
            at = next((p for p in places if (*p, key) in self.lines), place)
            self._error((*at, key), f"{origins.get(key, label)}: {problem}", hint)

        if "audio_dir" in own and "image_dir" in own:
            say("image_dir", "audio_dir and image_dir say the same", "give one of them")
        if isinstance(table, dict) and not {"audio_dir", "image_dir", "metadata_file"} & table.keys():
            self._error(place, f"{label}: it names no songs", 'add audio_dir = "FOLDER"')
        for key in [k for k in ("audio_dir", "image_dir", "metadata_file") if own.get(k) == ""]:
            say(key, f"{key} is empty", 'write "." for the folder of this file')
        if "metadata_file" in own and "caption_extension" in own:
            say("caption_extension", "the captions are in metadata_file", "give one of the two")
        extension = with_dot(values.get("caption_extension"))
        if extension is not None and (extension == "." or extension.lower() in _NO_CAPTIONS):
            say("caption_extension", f"'{extension}' files hold no caption", 'write caption_extension = ".txt"')
        role = values.get("txt_role")
        if extension == ".txt" and role not in (None, "caption"):
            problem = f"caption_extension calls .txt files captions, txt_role says {role}"
            say("txt_role", problem, "take one of them out")
        low, high, step = (_seconds(values, k) for k in ("min", "max", "bucket_step"))
        if low > high:
            say("min_bucket_seconds", f"min_bucket_seconds {low:g} is above max_bucket_seconds {high:g}", "swap them")
        if abs(step / _FRAME_PAIR_S - round(step / _FRAME_PAIR_S)) > 1e-6:
            say("bucket_step_seconds", f"bucket_step_seconds {step:g} is no multiple of 0.08", "try 10")

    def _check_agreement(self, subsets: list[Subset]) -> None:
        """What holds for the whole dataset, and folders that are named twice."""
        sizes = {s["batch_size"] for s in subsets}
        if len(sizes) > 1:
            self._error(("datasets",), f"batch_size is {' and '.join(map(str, sorted(sizes)))}",
                        "training has one batch size: write it once, in [general]")  # fmt: skip
        seen: dict[Path, str] = {}
        for subset in subsets:
            path = (subset.metadata or subset.folder or Path()).resolve()
            if subset.metadata or subset.folder:
                if path in seen:
                    self._error(("datasets",), f"{subset.name} is named twice", "name it once, with num_repeats")
                seen[path] = subset.name

    def _error(self, place: Place, problem: str, hint: str) -> None:
        """`place` is the path of the table or key; the nearest header above is where a missing one belongs."""
        while place and place not in self.lines:
            place = place[:-1]
        where = f"{self.path.name} line {self.lines[place]}" if place else self.path.name
        error = UserError(f"{where}: {problem}", hint)
        self.errors += [] if any(e.args == error.args for e in self.errors) else [error]


def with_dot(extension: str | None) -> str | None:
    return extension if extension is None or extension.startswith(".") else f".{extension}"


def _mistake(name: str, value: Any, letter: str) -> tuple[str, str]:
    """(problem, hint) of a key in a table; empty if it is right."""
    if name in FOREIGN:
        return f"'{name}' {FOREIGN[name][0]}", FOREIGN[name][1]
    if name not in KEYS:
        return _nothing(name), nearest(name, [k for k in KEYS if letter in KEYS[k].places])
    if letter not in KEYS[name].places:
        return f"'{name}' has no meaning here", f"write it under {_places(name)}"
    wrong = KEYS[name].wrong(value)
    return (f"{name} = {_shown(value)} {wrong}", "") if wrong else ("", "")


def _nothing(name: str) -> str:
    return f"nothing reads '{name}'"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _places(name: str) -> str:
    return " or ".join(PLACES[letter] for letter in KEYS[name].places)


def _label(place: Place) -> str:
    return f"[[datasets]] {place[1] + 1}: " if place else ""


def _seconds(values: Mapping[str, Any], which: str) -> float:
    key = f"{which}_seconds" if which == "bucket_step" else f"{which}_bucket_seconds"
    return float(values.get(key, KEYS[key].default))
