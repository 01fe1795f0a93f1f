"""What can stand in a run file: a template with every option, and what is known of a single one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.config import dump_toml
from acestep_core.errors import UserError
from acestep_core.options import SECRET, Option, nearest, options_of
from acestep_core.registry import Registry
from acestep_core.run_file.kohya import NAMES, SAME
from acestep_core.run_file.kohya_names import IGNORED, REFUSED
from acestep_core.run_file.places import EXTENSIONS, NAME, PLUGINS, SECTIONS, flag, options, plain

_OPEN = "none"
_HEAD = """\
# A whole training in one file: acestep-core train --config THIS.toml
# Lines that begin with # and a name say the default: take the # away and change them. "none" leaves a setting open.
"""
_GIVEN = {("data", "encoded"): "encoded", ("model", "folder"): "models"}  # what has no default and must be said
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def template(names: Mapping[str, str], plugins: Registry) -> str:
    """A run file with every option, its help and its default; `names` are the plugins of the sections."""
    lines = [_HEAD]
    for section in [s for s in SECTIONS if s != EXTENSIONS]:
        lines.append(f"[{section}]")
        for key, o in options(section, names.get(section, ""), plugins).items():
            given = names[section] if section in PLUGINS and key == NAME else _GIVEN.get((section, key))
            lines.append(f"# {_about(o)}")
            lines.append(_line(key, given) if given is not None else f"#{_line(key, _default(o))}")
        lines.append("")
    lines += ["# Extensions that take part, each a table with its options.", f"#[{EXTENSIONS}.tensorboard]"]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Explained:
    """All that is known of one setting; `owner` is the plugin that declares it, if one does."""

    section: str
    key: str
    option: Option
    owner: str = ""

    def as_dict(self) -> dict[str, Any]:
        o = self.option
        default = None if o.required else o.default
        return {
            "setting": f"{self.section}.{self.key}", "plugin": self.owner or None, "help": o.help,
            "type": o.type_name(), "bounds": dict(o.bounds), "required": o.required,
            "default": str(default) if isinstance(default, Path) else default,
            "command_line": flag(self.section, self.key),
            "kohya": sorted(k for k, place in SAME.items() if place == (self.section, self.key)),
        }  # fmt: skip


def explained(name: str, names: Mapping[str, str], plugins: Registry) -> list[Explained]:
    """Every setting meant by `learning_rate`, `optimizer.learning_rate`, `adapter.rank` or Kohya's name.

    Of a section with plugins those of all plugins that have it. Raises `UserError` if nothing is meant.
    """
    wanted, said_section = name.rpartition(".")[2].replace("-", "_"), name.rpartition(".")[0]
    if wanted in SAME:
        said_section, wanted = SAME[wanted]
    every = list(_everything(names, plugins))
    found = [e for e in every if wanted == e.key and said_section in ("", e.section)]
    found = found or [e for e in every if said_section in ("", e.section) and _flag_name(e) == wanted]
    if found:
        return found
    if wanted in IGNORED:
        raise UserError(f"Kohya's {wanted} is not used here: it is {IGNORED[wanted]}", "leave it out")
    if wanted in REFUSED:
        raise UserError(f"Kohya's {wanted} {REFUSED[wanted][0]}", REFUSED[wanted][1])
    if wanted in NAMES:
        raise UserError(f"Kohya's {wanted} depends on the file it is in", "see: acestep-core config check FILE")
    hint = nearest(name, {e.key for e in every} | {f"{e.section}.{e.key}" for e in every})
    raise UserError(f"There is no setting '{name}'", hint)


def _everything(names: Mapping[str, str], plugins: Registry) -> Iterator[Explained]:
    for section in [s for s in SECTIONS if s != EXTENSIONS]:
        yield from (Explained(section, key, o) for key, o in plain(section).items())
        if section in PLUGINS:
            yield from _of_plugins(section, names.get(section), plugins)


def _of_plugins(section: str, only: str | None, plugins: Registry) -> Iterator[Explained]:
    kind = PLUGINS[section][0]
    for name in [only] if only else [k.qualified for k in plugins.known(kind)]:
        try:
            declared = options_of(plugins.load(kind, name))
        except UserError:
            if only:
                raise
            continue  # a plugin that cannot be loaded is told by those who use it, and by plugins doctor
        yield from (Explained(section, key, o, name.partition("@")[0]) for key, o in declared.items())


def _flag_name(e: Explained) -> str:
    return flag(e.section, e.key).removeprefix("--").replace("-", "_")


def _about(o: Option) -> str:
    bounds = [f"{BOUNDS[k]} {v:g}" for k, v in o.bounds.items() if abs(v) < 2**60]
    return f"{o.help} ({', '.join([o.type_name(), *bounds])})"


def _default(o: Option) -> Any:
    if o.secret:
        return SECRET
    return _OPEN if o.required or o.default is None else o.default


def _line(key: str, value: Any) -> str:
    return dump_toml({key: value}).strip()
