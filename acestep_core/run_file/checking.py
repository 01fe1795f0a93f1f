"""What is wrong with a run file, all of it at once, and what its settings are when nothing is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.bundled import NAMES
from acestep_core.errors import UserError, raise_all
from acestep_core.optimizers import check_optimizer
from acestep_core.options import Option, as_dict, checked_value, nearest, options_of
from acestep_core.registry import Registry
from acestep_core.run_file.places import EXTENSIONS, NAME, PARAMETERS, PLUGINS, SAMPLE, fields, options, unknown
from acestep_core.run_file.reading import RunFile, Setting
from acestep_core.train_settings import TrainSettings, contradictions, optimizers_of

_MODEL = ("model", "folder")
_FOLDERS = (("data", "encoded"), _MODEL)
_PROMPTS = (SAMPLE, "prompts")


@dataclass(frozen=True)
class Checked:
    """The settings that a run file says, in their types, by section and key."""

    file: RunFile
    values: Mapping[tuple[str, str], Any]

    def parameters(self) -> dict[str, Any]:
        """Parameters of the command `train` that the file says; None is one that it leaves open by name."""
        names = {**fields(), **PARAMETERS, **{(section, NAME): section for section in PLUGINS}}
        said = {names[place]: value for place, value in self.values.items() if place in names}
        heard = [key for section, key in self.values if section == EXTENSIONS]
        return said | ({EXTENSIONS: heard} if heard else {})

    def plugin_tables(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(kind, bare name) -> options, as [adapters.lora] of the settings file has them."""
        tables = {}
        for section, (kind, _) in PLUGINS.items():
            own = {k: v for (where, k), v in self.values.items() if where == section and k != NAME}
            tables[kind, self.file.plugin(section).partition("@")[0]] = own
        heard = {key: value for (section, key), value in self.values.items() if section == EXTENSIONS}
        return tables | {(EXTENSIONS, name.partition("@")[0]): dict(own) for name, own in heard.items()}

    def complete(self, plugins: Registry) -> dict[str, Any]:
        """Every setting with what it is in the end: "section.key" -> value, defaults included."""
        of_loop = TrainSettings(**{f: self.values[p] for p, f in fields().items() if p in self.values})
        said = as_dict(of_loop)
        whole = {".".join(place): said[field] for place, field in fields().items()}
        for section in ("data", "model", "save", SAMPLE, *PLUGINS):
            for key, o in options(section, self.file.plugin(section) if section in PLUGINS else "", plugins).items():
                if (section, key) not in fields():
                    value = self.values.get((section, key), None if o.required else o.default)
                    whole[f"{section}.{key}"] = str(value) if isinstance(value, Path) else value
        heard = {f"{EXTENSIONS}.{key}": dict(v) for (section, key), v in self.values.items() if section == EXTENSIONS}
        return whole | heard


def checked(file: RunFile, plugins: Registry) -> Checked:
    """Raises one `UserError` that tells every wrong key and value."""
    values, errors = _values(file, plugins)
    raise_all([*file.errors, *errors], str(file.path) if file.path and not file.preset else file.label)
    return Checked(file, values)


def problems(file: RunFile, plugins: Registry, held_out: bool = True) -> list[UserError]:
    """Everything wrong with a file by itself: keys, values, contradictions, and folders that are not there.

    `held_out` says whether there are songs to validate with.
    """
    values, errors = _values(file, plugins)
    of_loop = {field: values[place] for place, field in fields().items() if place in values}
    settings = TrainSettings(**of_loop)
    errors += contradictions(settings, held_out)
    for optimizer in optimizers_of(settings):
        try:
            check_optimizer(optimizer)
        except UserError as e:
            errors.append(e)
    errors += _missing(file, plugins)
    for place in _FOLDERS:
        setting = file.settings.get(place)
        if values.get(place) is not None and not _is_there(place, values[place]):
            errors.append(UserError(f"{setting.where}: there is no folder {setting.value}", "correct the path"))
    prompts = values.get(_PROMPTS)
    if isinstance(prompts, Path) and not prompts.is_file():
        errors.append(UserError(f"{file.settings[_PROMPTS].where}: there is no file {prompts}", "correct the path"))
    return [*file.errors, *errors]


def _is_there(place: tuple[str, str], folder: Path) -> bool:
    return folder.is_dir() or (place == _MODEL and str(folder) in NAMES)


def _missing(file: RunFile, plugins: Registry) -> Iterator[UserError]:
    for section in PLUGINS:
        for key, o in (_declared(file, section, plugins, []) or {}).items():
            if o.required and (section, key) not in file.settings:
                yield UserError(f"[{section}] needs {key}: {o.help}", f"add {key} = ...")


def _values(file: RunFile, plugins: Registry) -> tuple[dict[tuple[str, str], Any], list[UserError]]:
    values: dict[tuple[str, str], Any] = {}
    errors: list[UserError] = []
    declared: dict[str, Mapping[str, Option] | None] = {}
    for (section, key), setting in file.settings.items():
        if section == EXTENSIONS:
            errors += _extension_errors(key, setting, plugins)
            values[section, key] = setting.value
            continue
        if section not in declared:
            declared[section] = _declared(file, section, plugins, errors)
        known = declared[section]
        if known is None:
            continue
        if key not in known:
            wrong = unknown(section, key, known)
            errors.append(UserError(f"{setting.where}: {wrong.problem}", wrong.hint))
            continue
        try:
            values[section, key] = _placed(file, (section, key), checked_value(known[key], setting.value))
        except ValueError as e:
            errors.append(UserError(f"{setting.where}: {section}.{key} {e}"))
    return values, errors


def _declared(file: RunFile, section: str, plugins: Registry, errors: list[UserError]) -> Mapping[str, Option] | None:
    """The options of a section; None if its plugin cannot be had, which is told."""
    try:
        return options(section, file.plugin(section) if section in PLUGINS else "", plugins)
    except UserError as e:
        setting = file.settings.get((section, NAME))
        errors.append(UserError(f"{setting.where}: {e.problem}" if setting else e.problem, e.hint))
        return None


def _extension_errors(name: str, setting: Setting, plugins: Registry) -> Iterator[UserError]:
    if not isinstance(setting.value, Mapping):
        yield UserError(f"{setting.where}: '{name}' is no table", f"write [{EXTENSIONS}.{name}]")
        return
    try:
        known = options_of(plugins.load(EXTENSIONS, name))
    except UserError as e:
        yield UserError(f"{setting.where}: {e.problem}", e.hint)
        return
    for key, value in setting.value.items():
        if key not in known:
            yield UserError(f"{setting.where}: [{EXTENSIONS}.{name}] has no key '{key}'", nearest(key, known))
            continue
        try:
            checked_value(known[key], value)
        except ValueError as e:
            yield UserError(f"{setting.where}: {EXTENSIONS}.{name}.{key} {e}")


def _placed(file: RunFile, place: tuple[str, str], value: Any) -> Any:
    """What is to be read starts at the file if it is there, else at the working folder."""
    if place == _PROMPTS and file.path is not None and isinstance(value, Path):
        beside = file.path.parent / value
        return beside if beside.is_file() else value
    if place in _FOLDERS and file.path is not None and value is not None:
        beside = file.path.parent / value
        return beside if beside.is_dir() else value
    return value
