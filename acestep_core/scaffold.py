"""Writes the beginning of a plugin package: module, metadata, test and README, all of which work as they are."""

import importlib.util
import keyword
import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

import acestep_core
from acestep_core.api import KINDS
from acestep_core.errors import UserError
from acestep_core.files import write_text
from acestep_core.options import nearest
from acestep_core.registry import registry


@dataclass(frozen=True)
class _Start:
    """What the templates of a kind are about, and how the result is tried."""

    about: str
    use: str = ""


_STARTS = {
    "transcribers": _Start("Reads the words of a song from an .srt file beside it."),
    "annotators": _Start("Takes the name of a song's folder for its genre."),
    "adapters": _Start("Scales the outputs of attention projections.", "train encoded --model models --adapter $name"),
    "samplers": _Start("Draws t as a power of uniform numbers.", "train encoded --model models --sampler $name"),
    "solvers": _Start("Looks at the model in the middle of each step.", "generate --model models --solver $name"),
    "backends": _Start("A codec of 64 frequencies per frame; it has no other part."),
    "executors": _Start("Rests after every song.", "encode songs --model models --executor $name"),
    "extensions": _Start("Says where the loss was lowest.", "train encoded --model models --extension $name"),
    "commands": _Start("Says how much music a folder holds.", "$name songs"),
}


@dataclass(frozen=True)
class Package:
    """A package that was written: `name` is what users type, `module` what Python imports."""

    kind: str
    name: str
    module: str
    folder: Path

    @property
    def dist(self) -> str:
        return self.module.replace("_", "-")


def write_package(kind: str, name: str, folder: Path | None = None, builtin: Collection[str] = ()) -> Package:
    """A new package with one small plugin of that kind; it passes its own tests as soon as it is installed.

    `kind` may be singular. Dashes in `name` become underscores, which in the name of a command become dashes;
    `builtin` names the commands that are no plugins.
    Raises `UserError` for a name that cannot be used or is taken, and for a folder that is there already.
    """
    module = _module_name(name)
    package = Package(_kind(kind), module, module, folder or Path(module))
    if package.kind == "commands":
        package = Package(package.kind, package.dist, module, package.folder)
    if package.folder.exists():
        raise UserError(f"{package.folder} is there already", "give another --folder, or delete it")
    _check_free(package, builtin)
    try:
        for path, text in _texts(package).items():
            write_text(package.folder / path, text)
    except OSError as e:
        raise UserError(f"Cannot write {package.folder} ({e.strerror})", "give another --folder") from e
    return package


def _kind(given: str) -> str:
    kind = given if given in KINDS else f"{given}s"
    if kind not in KINDS:
        raise UserError(f"There is no plugin kind '{given}'", nearest(given, KINDS))
    return kind


def _module_name(name: str) -> str:
    """A name that Python can import, package indexes take and shells need not quote."""
    module = name.lower().replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", module):
        raise UserError(
            f"'{name}' cannot be the name of a plugin",
            "use letters a to z, digits and single dashes, a letter first, such as half-cosine",
        )
    if keyword.iskeyword(module):
        raise UserError(f"'{name}' cannot be the name of a plugin, it is a word of Python", f"try my-{module}")
    return module


def _check_free(package: Package, builtin: Collection[str]) -> None:
    if package.kind == "commands" and package.name in builtin:
        raise UserError(f"'{package.name}' is a command of acestep-core itself", f"try my-{package.name}")
    for known in registry().known(package.kind):
        if known.name == package.name:
            problem = f"There is a {package.kind[:-1]} '{package.name}' already, in {known.dist}"
            raise UserError(problem, f"try my-{package.dist}")
    spec = importlib.util.find_spec(package.module)
    if spec is not None and spec.origin is not None:  # a mere folder of that name has no origin
        raise UserError(f"There is a Python module '{package.module}' already", f"try my-{package.dist}")


def _texts(package: Package) -> dict[str, str]:
    """Path in the package -> text."""
    start, major = _STARTS[package.kind], int(acestep_core.__version__.partition(".")[0])
    words = {
        "kind": package.kind,
        "name": package.name,
        "module": package.module,
        "dist": package.dist,
        "cls": _class_name(package),
        "about": start.about,
        "use": Template(f"\nacestep-core {start.use}" if start.use else "").substitute(name=package.name),
        "major": str(major),
        "next_major": str(major + 1),
    }
    sources = {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        f"{package.module}.py": f"{package.kind}/module.py.txt",
        f"tests/test_{package.module}.py": f"{package.kind}/test.py.txt",
    }
    return {path: Template(_template(source)).substitute(words) for path, source in sources.items()}


def _class_name(package: Package) -> str:
    """HalfCosineSampler: the kind at the end keeps it apart from what the module imports."""
    name, kind = (text.title().replace("_", "") for text in (package.module, package.kind[:-1]))
    return name if name.endswith(kind) else name + kind


def _template(path: str) -> str:
    return files("acestep_core").joinpath("templates", path).read_text(encoding="utf-8")
