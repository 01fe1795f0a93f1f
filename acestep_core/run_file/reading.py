"""Reads a run file: each setting with the line that says it. A run's own run.toml is one, as far as it says settings.

A preset lies below it, and `--set` changes what both say. All mistakes are kept, to be told at once.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.config import parse_toml
from acestep_core.errors import UserError
from acestep_core.files import text_at
from acestep_core.kohya.positions import lines_of
from acestep_core.options import nearest
from acestep_core.run import SETTINGS
from acestep_core.run_file import kohya
from acestep_core.run_file.places import EXTENSIONS, NAME, PLUGINS, RATE, SECTIONS, fields, place_of
from acestep_core.run_file.translation import Argument, Row

_RECORD = "versions"  # the table that only a run's own run.toml has
_FACTS = ("data", "model", EXTENSIONS)  # sections in which a record says more than settings
_LENGTHS = (("train", "steps"), ("train", "epochs"))
_PATHS = {"encoded": ("data", "encoded"), "model": ("model", "folder")}


@dataclass(frozen=True)
class Setting:
    """One value and where it was said, such as "run.toml line 3"."""

    value: Any
    where: str


@dataclass
class RunFile:
    """The settings of a training by section and key; nothing that is left open is in here."""

    path: Path | None = None
    preset: str = ""
    settings: dict[tuple[str, str], Setting] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)

    @property
    def label(self) -> str:
        """What people call it."""
        said = [f"preset {self.preset}"] * bool(self.preset) + ([self.path.name] if self.path else [])
        return " and ".join(said) or "--set"

    def value(self, section: str, key: str) -> Any:
        found = self.settings.get((section, key))
        return None if found is None else found.value

    def plugin(self, section: str) -> str:
        """The name of the plugin that is chosen in a section."""
        said = self.value(section, NAME)
        return PLUGINS[section][1] if said is None else str(said)

    def has_plugin(self, section: str, name: str) -> bool:
        return name.partition("@")[0] == self.plugin(section).partition("@")[0]

    def error(self, where: str, problem: str, hint: str = "") -> None:
        self.errors.append(UserError(f"{where}: {problem}", hint))


def read_run_file(path: Path | None, changes: Iterable[str] = (), below: RunFile | None = None) -> RunFile:
    """The file, or the run.toml of a run folder, with `changes` ("section.key=value") on top.

    What it leaves open is taken from `below`, a preset; but nothing that only goes with another plugin or length.
    Mistakes of single keys are in `errors`. Raises `UserError` for what is no such file at all.
    """
    path = path / SETTINGS if path is not None and path.is_dir() else path
    reader = _Reader(RunFile(path), path.name if path else "")
    if path is not None:
        text = text_at(path, "see: acestep-core config template")
        content = parse_toml(text, path)
        if isinstance(content.get("datasets"), list):
            raise UserError(f"{path} describes a dataset, not a run",
                            f"encode it: acestep-core encode {path} --model MODELS --out encoded")  # fmt: skip
        reader.lines = lines_of(text)
        reader.read(content)
    reader.change(changes, below)
    return reader.file


def read_preset(name: str, text: str, content: Mapping[str, Any]) -> RunFile:
    """The settings of a preset, whose mistakes are kept too; `content` is the text parsed."""
    reader = _Reader(RunFile(preset=name), f"preset {name}", lines_of(text))
    reader.read(content)
    reader.change(())
    return reader.file


@dataclass
class _Reader:
    file: RunFile
    name: str
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)
    arguments: dict[str, Argument] = field(default_factory=dict)

    def read(self, content: Mapping[str, Any]) -> None:
        record = isinstance(content.get(_RECORD), dict)
        for section, table in content.items():
            if not isinstance(table, dict):
                self._alone(section, table)
            elif section.endswith(kohya.SUFFIX):
                for key, value in table.items():
                    self._argument(key, value, self._where(section, key))
            elif record and section == "paths":
                for key, place in _PATHS.items():
                    if key in table:
                        self._put(*place, table[key], self._where(section, key))
            elif section in SECTIONS:
                self._section(section, table, record)
            elif not record:
                problem, hint = _no_section(section)
                self.file.error(self._where(section), f"[{section}]: {problem}", hint)

    def change(self, changes: Iterable[str], below: RunFile | None = None) -> None:
        native = []
        for change in changes:
            said, equals, text = change.partition("=")
            section, _, key = said.strip().rpartition(".")
            where = f"--set {change}"
            if not equals or not key:
                self.file.error(where, "is no SECTION.KEY=VALUE", "write --set train.steps=500")
            elif section.endswith(kohya.SUFFIX) or (not section and key.replace("-", "_") in kohya.NAMES):
                key = key.replace("-", "_")
                self.arguments[key] = Argument(key, _parsed(text), where)
            else:
                native.append((section, key.replace("-", "_"), _parsed(text), where))
        translated, self.file.rows, errors = kohya.translated(self.arguments)
        self.file.errors += errors
        for section, key, value, where in translated:
            self._put(section, key, value, where)
        if below is not None:
            self._lay_over(below)
        for section, key, value, where in sorted(native, key=lambda n: n[1] != NAME):
            self._change(section, key, value, where)

    def _change(self, section: str, key: str, value: Any, where: str) -> None:
        first, _, rest = section.partition(".")
        if first == EXTENSIONS and rest:
            table = dict(self.file.value(EXTENSIONS, rest) or {})
            self.file.settings[EXTENSIONS, rest] = Setting(table | {key: value}, where)
        elif section not in SECTIONS:
            problem, hint = _no_section(section)
            self.file.error(where, f"[{section}]: {problem}" if section else "it names no section", hint)
        else:
            if section in PLUGINS and key == NAME:
                self._other_plugin(section, str(value))
            place = place_of(key) if section == "train" and key in fields().values() else (section, key)
            if place in _LENGTHS and not _open(value):
                self._other_length(place)
            self.file.settings[place] = Setting(value, where)

    def _other_plugin(self, section: str, name: str) -> None:
        """Options of one plugin say nothing of another, nor does a preset's rate."""
        gone = options_left_out(self.file, section, name)
        for key in gone:
            del self.file.settings[section, key]
        if gone:
            self.file.notes.append(left_out(self.file, section, gone, name))
        rate, other = self.file.settings.get(RATE), not self.file.has_plugin(section, name)
        if section == "adapter" and other and rate is not None and rate.where.startswith("preset "):
            del self.file.settings[RATE]
            self.file.notes.append(f"{name} learns at its own rate, not at that of the preset, {rate.value}")

    def _other_length(self, place: tuple[str, str]) -> None:
        """Steps take the place of epochs that a file says, and the other way round; --set of both contradict."""
        for other in _LENGTHS:
            known = self.file.settings.get(other)
            if other != place and known is not None and not known.where.startswith("--set"):
                del self.file.settings[other]

    def _lay_over(self, below: RunFile) -> None:
        """Over a preset, in which the plugins and the length are first made those of the file."""
        under = _Reader(RunFile(preset=below.preset, settings=dict(below.settings)), "")
        for section in PLUGINS:
            said = self.file.value(section, NAME)
            if said is not None and not _open(said):
                under._other_plugin(section, str(said))
        for place in _LENGTHS:
            if place in self.file.settings and not _open(self.file.settings[place].value):
                under._other_length(place)
        self.file.preset = below.preset
        self.file.notes += [*below.notes, *under.file.notes]
        self.file.errors += below.errors
        self.file.rows += below.rows
        self.file.settings = under.file.settings | self.file.settings

    def _section(self, section: str, table: Mapping[str, Any], record: bool) -> None:
        for key, value in table.items():
            where = self._where(section, key)
            if section == EXTENSIONS and not isinstance(value, dict):
                if not record:
                    self.file.error(where, f"'{key}' is no table", f"write [{EXTENSIONS}.{key}]")
            elif record and section in _FACTS and section != EXTENSIONS and (section, key) != ("model", "variant"):
                continue
            elif section == "train" and key in fields().values():
                self._put(*place_of(key), value, where)
            else:
                self._put(section, key, value, where)

    def _put(self, section: str, key: str, value: Any, where: str) -> None:
        known = self.file.settings.get((section, key))
        if known is not None:
            self.file.error(where, f"{section}.{key} stands in {known.where} already", "delete one of the two")
        else:
            self.file.settings[section, key] = Setting(value, where)

    def _argument(self, name: str, value: Any, where: str) -> None:
        key = name.replace("-", "_")
        known = self.arguments.get(key)
        if known is not None and known.value != value:
            self.file.error(where, f"'{name}' stands in {known.where} with another value", "delete one of the two")
        self.arguments.setdefault(key, Argument(key, value, where))

    def _alone(self, key: str, value: Any) -> None:
        where = self._where(key)
        if key.replace("-", "_") in kohya.NAMES:
            self._argument(key, value, where)
        elif key in SECTIONS:
            self.file.error(where, f"'{key}' is no table", f"write [{key}]")
        else:
            homes = [place_of(key)] if key in fields().values() else []
            hint = f"write {homes[0][1]} under [{homes[0][0]}]" if homes else nearest(key, SECTIONS)
            self.file.error(where, f"'{key}' stands outside of every table", hint)

    def _where(self, *place: str) -> str:
        line = self.lines.get(place) or self.lines.get(place[:1])
        return f"{self.name} line {line}" if line else self.name


def options_left_out(file: RunFile, section: str, name: str) -> list[str]:
    """Keys of a section that are about its plugin, if `name` is another one."""
    if file.has_plugin(section, name):
        return []
    return [key for where, key in file.settings if where == section and key != NAME]


def left_out(file: RunFile, section: str, keys: Iterable[str], name: str) -> str:
    said = f"[{section}] is about {file.plugin(section)}, and {name} is asked for"
    return f"{said}: not used are {', '.join(keys)}"


def _open(value: Any) -> bool:
    """Whether a value leaves its setting open by name."""
    return value is None or str(value).lower() == "none"


def _no_section(name: str) -> tuple[str, str]:
    return "nothing reads this table", nearest(name, [*SECTIONS, *kohya.SECTIONS])


def _parsed(text: str) -> Any:
    """A TOML value if it reads as one, else the text itself."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text.strip()
