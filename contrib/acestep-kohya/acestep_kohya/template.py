"""Reads a whole-run TOML: tables of any name whose keys are a script's arguments, and `[kohya]` for this program."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core import UserError
from acestep_core.files import text_at
from acestep_core.kohya.positions import lines_of, said_twice
from acestep_core.options import nearest

OWN = "kohya"
_OWN_KEYS = {"scripts": str, "script": str, "env": str, "accelerate": int, "equal_lr": bool}
_WORDS = {str: "text", int: "a whole number", bool: "true or false"}
_DATASET = ("general", "datasets")


@dataclass(frozen=True)
class Setting:
    """One key. `where` is what errors begin with, `section` the table it stood in."""

    name: str
    value: Any
    section: str
    where: str


@dataclass
class Template:
    """All settings of a file by name, in its order; `own` is the table `[kohya]`."""

    path: Path
    settings: dict[str, Setting] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    errors: list[UserError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def get(self, name: str) -> Any:
        return self.settings[name].value if name in self.settings else None


def read_template(path: Path, changes: Iterable[str] = ()) -> Template:
    """The file with `changes` ("KEY=VALUE") on top. What is wrong with single keys is in `errors`.

    Raises `UserError` for what is no such file at all.
    """
    text = text_at(path, "give the TOML with the settings of the run")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        again = [f"'{name}' of line {first} stands again in line {line}" for name, line, first in said_twice(text)]
        raise UserError(f"{path} is no valid TOML ({'; '.join(again) or e})", "correct it") from None
    if isinstance(content.get("datasets"), list):
        raise UserError(f"{path} describes a dataset, not a run", "name it in a run's TOML: dataset_config = "
                        f'"{path.name}", or see: acestep-core dataset check')  # fmt: skip
    if not content:
        raise UserError(f"{path} is empty", "see the README of acestep-kohya for an example")
    template = Template(path)
    reader = _Reader(template, lines_of(text))
    reader.read(content)
    reader.change(changes)
    return template


@dataclass
class _Reader:
    template: Template
    lines: Mapping[tuple[str | int, ...], int]

    def read(self, content: Mapping[str, Any]) -> None:
        for name, value in content.items():
            if name == OWN and isinstance(value, dict):
                self._own(value)
            elif isinstance(value, dict):
                for key, inner in value.items():
                    self._add(key, inner, name, (name, key))
            else:
                self._add(name, value, "", (name,))

    def change(self, changes: Iterable[str]) -> None:
        for change in changes:
            name, equals, text = change.partition("=")
            key = _name(name.strip().rpartition(".")[2])
            if not equals or not key:
                self._error(f"--set {change}", "is no KEY=VALUE", "write --set seed=42")
                continue
            self.template.settings[key] = Setting(key, _parsed(text), "", f"--set {change}")

    def _add(self, key: str, value: Any, section: str, place: tuple[str, ...]) -> None:
        setting = Setting(_name(key), value, section, self._where(place))
        known = self.template.settings.get(setting.name)
        if known is None:
            self.template.settings[setting.name] = setting
        elif (known.value, type(known.value)) == (value, type(value)):
            self.template.notes.append(f"{setting.where}: {key} stands there again, alike")
        else:
            self._error(setting.where, f"{key} = {shown(value)}, but {_place(known)} says {shown(known.value)}",
                        "delete one of the two: which would win is chance")  # fmt: skip

    def _own(self, table: Mapping[str, Any]) -> None:
        for key, value in table.items():
            where = self._where((OWN, key))
            if key not in _OWN_KEYS:
                self._error(where, f"[{OWN}] has no key '{key}'", nearest(key, _OWN_KEYS))
            elif type(value) is not _OWN_KEYS[key]:
                self._error(where, f"{key} = {shown(value)} must be {_WORDS[_OWN_KEYS[key]]}", "")
            elif type(value) is int and value < 1:
                self._error(where, f"{key} = {value} must be at least 1", "leave it out to start without it")
            else:
                self.template.own[key] = value

    def _where(self, place: tuple[str, ...]) -> str:
        line = self.lines.get(place)
        return f"{self.template.path.name} line {line}" if line else self.template.path.name

    def _error(self, where: str, problem: str, hint: str) -> None:
        self.template.errors.append(UserError(f"{where}: {problem}", hint))


def shown(value: Any) -> str:
    """As TOML would have it."""
    return str(value).lower() if isinstance(value, bool) else "none" if value is None else repr(value)


def _name(key: str) -> str:
    return key.replace("-", "_")


def _place(setting: Setting) -> str:
    line = setting.where.partition(" line ")[2]
    return f"[{setting.section}] (line {line})" if setting.section and line else setting.where


def _parsed(text: str) -> Any:
    """A TOML value if it reads as one, else the text itself."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
