"""Presets: pieces of run files that say how to train, by name. Some come with the program, others are a person's own.

Each is a TOML file, NAME.toml; its first comment says in a line what it is for.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from acestep_core.config import parse_toml
from acestep_core.errors import UserError, raise_all
from acestep_core.files import text_at, text_id, write_text
from acestep_core.options import nearest
from acestep_core.registry import Registry
from acestep_core.run_file.checking import problems
from acestep_core.run_file.places import PARAMETERS
from acestep_core.run_file.reading import RunFile, read_preset
from acestep_core.user_folders import config_folder

DEFAULT = "recommended"
ORDER = ("quick", DEFAULT, "quality")
ENDING = ".toml"
_NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # no file can be called so on Windows
_LARGEST = 1_000_000  # bytes; whatever is larger is no preset
_HINT = "see: acestep-core config presets"


@dataclass(frozen=True)
class Preset:
    """A preset as it stands in its file."""

    name: str
    path: Path
    own: bool
    text: str

    @property
    def about(self) -> str:
        first = next(iter(self.text.strip().splitlines()), "")
        return first.lstrip("# ").strip() if first.startswith("#") else ""

    def run_file(self) -> RunFile:
        """Its settings. Raises `UserError` if it is no TOML, and keeps what else is wrong in `errors`."""
        file = read_preset(self.name, self.text, parse_toml(self.text, self.path))
        for section, key in PARAMETERS:
            if (section, key) in file.settings:
                where = file.settings[section, key].where
                file.error(where, f"{section}.{key} says what to train on or where to, not how", "delete it")
        return file

    def record(self, file: RunFile) -> dict[str, Any]:
        """What a run remembers of it."""
        said: dict[str, dict[str, Any]] = {}
        for (section, key), setting in file.settings.items():
            said.setdefault(section, {})[key] = setting.value
        return {"name": self.name, "id": text_id(self.text), "settings": said}


def presets_folder() -> Path:
    """Where a person's own lie."""
    return config_folder() / "presets"


def presets() -> tuple[list[Preset], list[UserError]]:
    """All of them, those of the program first; and what is wrong with files that cannot be read."""
    found, wrong = [], []
    for own, path in _paths():
        try:
            found.append(_read(path, own))
        except UserError as e:
            wrong.append(e)
    place = {name: number for number, name in enumerate(ORDER)}
    return sorted(found, key=lambda p: (p.own, place.get(p.name, len(ORDER)), _number(p.name))), wrong


def preset(name: str) -> Preset:
    """The one with that name. Raises `UserError` if there is none, or several, or it cannot be read."""
    same = [(own, path) for own, path in _paths() if path.stem == name]
    if len(same) > 1:
        raise UserError(f"{same[1][1]} has the name of a preset that comes with the program", "rename the file")
    if not same:
        raise UserError(f"There is no preset '{name}'", nearest(name, {path.stem for _, path in _paths()}))
    return _read(same[0][1], same[0][0])


def import_preset(path: Path, plugins: Registry, name: str | None = None, replace: bool = False) -> Preset:
    """Take a file into the person's own presets. Raises `UserError` telling everything that is wrong with it."""
    name = path.stem if name is None else name
    if path.is_file() and path.stat().st_size > _LARGEST:
        raise UserError(f"{path} has {path.stat().st_size} bytes, which no preset has", "give another file")
    text = text_at(path, "check its path")
    if not _NAMES.fullmatch(name) or _RESERVED.fullmatch(name):
        raise UserError(f"'{name}' cannot be the name of a preset", "give --name with letters, digits, '-' and '_'")
    if any(p.stem == name and not own for own, p in _paths()):
        raise UserError(f"'{name}' is a preset that comes with the program", "give another --name")
    target = presets_folder() / f"{name}{ENDING}"
    if target.exists() and not replace:
        raise UserError(f"There is a preset '{name}' of yours already", "give --replace, or another --name")
    taken = Preset(name, path, True, text)
    raise_all(wrong_with(taken, plugins), str(path))
    write_text(target, text)
    return Preset(name, target, True, text)


def remove_preset(name: str) -> Path:
    """Delete one of the person's own."""
    found = preset(name)
    if not found.own:
        hint = "leave it; nothing is used unless it is named"
        raise UserError(f"'{name}' comes with the program and cannot be removed", hint)
    found.path.unlink()
    return found.path


def wrong_with(found: Preset, plugins: Registry) -> list[UserError]:
    """Everything wrong with a preset, packages that this machine lacks included."""
    file = found.run_file()
    said = [] if file.settings else [UserError(f"{found.path} says no setting", "see: acestep-core config template")]
    return [*said, *problems(file, plugins)]


def _paths() -> Iterator[tuple[bool, Path]]:
    """(own, path) of every file."""
    for own, folder in ((False, Path(str(files("acestep_core"))) / "presets"), (True, presets_folder())):
        for path in sorted(folder.glob(f"[!.]*{ENDING}")) if folder.is_dir() else ():
            yield own, path


def _read(path: Path, own: bool) -> Preset:
    return Preset(path.stem, path, own, text_at(path, _HINT))


def _number(name: str) -> tuple[str, int]:
    """For an order in which 8 comes before 12."""
    digits = re.search(r"\d+$", name)
    return (name[: digits.start()], int(digits[0])) if digits else (name, -1)
