"""What comes of the answers: the command that trains so, and the run file that says the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.config import dump_toml
from acestep_core.errors import raise_all
from acestep_core.options import Option
from acestep_core.registry import Registry
from acestep_core.run_file.checking import problems
from acestep_core.run_file.places import EXTENSIONS, NAME, PLUGINS, SECTIONS, flag, options
from acestep_core.run_file.reading import RunFile, read_run_file
from acestep_core.wizard import checks
from acestep_core.wizard.question import Session

_PLACES = (("data", "encoded"), ("model", "folder"))


@dataclass(frozen=True)
class Outcome:
    """`command` are the words of a command line, `text` is the run file; both mean the same."""

    command: tuple[str, ...]
    text: str
    path: Path
    notes: tuple[str, ...]


def outcome(session: Session) -> Outcome:
    """Raises `UserError` if the answers, each of them right, contradict each other."""
    answers, below = session.answers, checks.preset_file(session)
    path = Path(answers["file"])
    said = _said(answers, below)
    command = ["acestep-core", "train", answers["encoded"], "--preset", answers["preset"]]
    for place, value in said.items():
        if place != ("data", "encoded"):
            command += [flag(*place), str(value)]
    absolute = path.absolute().parent.resolve() != Path.cwd().resolve()
    changes = [
        _change(place, _path(value) if absolute and place in _PLACES else value) for place, value in said.items()
    ]
    file = read_run_file(None, changes, below)
    raise_all([*file.errors, *problems(file, session.plugins, checks.held_out(session) > 0)], "These answers")
    return Outcome(tuple(command), _text(file, answers["preset"], session.plugins), path, tuple(file.notes))


def _said(answers: Mapping[str, Any], below: RunFile) -> dict[tuple[str, str], Any]:
    """What the answers say beyond the preset."""
    said = {
        ("data", "encoded"): answers["encoded"],
        ("model", "folder"): answers["model"],
        ("model", "variant"): answers.get("variant"),
        ("adapter", NAME): None if below.has_plugin("adapter", answers["adapter"]) else answers["adapter"],
        ("train", "steps"): None if answers["steps"] == below.value("train", "steps") else answers["steps"],
        ("save", "export"): "best" if answers.get("best") else None,
        ("save", "out"): answers["out"],
    }
    return {place: value for place, value in said.items() if value is not None}


def _path(value: str) -> str:
    return str(Path(value).absolute())


def _change(place: tuple[str, str], value: Any) -> str:
    return f"{'.'.join(place)}={dump_toml({'x': value}).partition('=')[2].strip()}"


def _text(file: RunFile, preset: str, plugins: Registry) -> str:
    lines = [f"# A training by the preset {preset}: acestep-core train --config THIS.toml"]
    for section in [s for s in SECTIONS if s != EXTENSIONS]:
        said = {key: file.settings[where, key].value for where, key in file.settings if where == section}
        if said:
            known = options(section, file.plugin(section) if section in PLUGINS else "", plugins)
            lines += ["", f"[{section}]", *_lines(said, known)]
    heard = {key: setting.value for (section, key), setting in file.settings.items() if section == EXTENSIONS}
    for name, table in heard.items():
        lines += ["", dump_toml({EXTENSIONS: {name: table}}).strip()]
    return "\n".join(lines) + "\n"


def _lines(said: Mapping[str, Any], known: Mapping[str, Option]) -> Iterator[str]:
    for key in sorted(said, key=list(known).index):
        yield f"# {known[key].help}"
        yield dump_toml({key: said[key]}).strip()
