"""Finds plugins by package metadata and loads exactly the ones that are asked for.

Three states: *known* (metadata read, nothing imported), *loaded* (module imported and registered with pluggy),
*made* (an object with the user's options). Whatever a plugin does wrong becomes one `PluginError`.
"""

import functools
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import importlib_metadata
import pluggy
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

import acestep_core
from acestep_core import hooks
from acestep_core.api import KINDS
from acestep_core.errors import PluginError, raise_all
from acestep_core.options import nearest, parse_options

CORE = "acestep-core"


@dataclass(frozen=True)
class Known:
    """A plugin by its metadata alone."""

    kind: str
    name: str
    dist: str
    version: str
    requires: tuple[str, ...]
    source: str
    load: Callable[[], Any] = field(compare=False, repr=False)

    @property
    def qualified(self) -> str:
        return f"{self.name}@{self.dist}"


class Registry:
    """The plugins of one process. Tests make a closed one from a list; `registry()` sees what is installed."""

    def __init__(self, known: Iterable[Known] | None = None):
        self.manager = pluggy.PluginManager(hooks.PROJECT)
        self.manager.add_hookspecs(hooks)
        self._installed = None if known is None else list(known)
        self._local: list[Known] = []
        self._classes: dict[Known, Any] = {}

    def known(self, kind: str) -> list[Known]:
        """All plugins of a kind, sorted by name; imports none."""
        if kind not in KINDS:
            raise PluginError(f"There is no plugin kind '{kind}'", nearest(kind, KINDS))
        every = [*self._all_installed(), *self._local]
        return sorted((k for k in every if k.kind == kind), key=lambda k: (k.name, k.dist))

    def find(self, kind: str, name: str) -> Known:
        """The plugin a user means by `name` or `name@distribution`."""
        bare, _, dist = name.partition("@")
        same_name = [k for k in self.known(kind) if k.name == bare]
        found = [k for k in same_name if not dist or canonicalize_name(k.dist) == canonicalize_name(dist)]
        if len(found) == 1:
            return found[0]
        if found:
            names = " or ".join(k.qualified for k in found)
            raise PluginError(f"'{name}' is the name of {len(found)} {kind}", f"say which: {names}")
        if same_name:
            raise PluginError(f"'{bare}' is not from '{dist}'", f"use {same_name[0].qualified}")
        raise PluginError(f"There is no {kind[:-1]} '{name}'", nearest(bare, (k.name for k in self.known(kind))))

    def load(self, kind: str, name: str) -> Any:
        """The class (or click command) with that name, its module imported and registered."""
        known = self.find(kind, name)
        if known not in self._classes:
            _check_requirement(known)
            self._classes[known] = self._class_from(known, _imported(known))
        return self._classes[known]

    def make(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """A plugin object with these options; every wrong option is told at once."""
        cls = self.load(kind, name)
        values, errors = parse_options(cls, options or {}, f"{kind[:-1]} '{name}'")
        raise_all(errors, f"The {kind[:-1]} '{name}'")
        return cls(**values)

    def add_file(self, path: Path) -> list[Known]:
        """Register one Python file as a plugin module (`--plugin FILE.py`), without packaging."""
        module = _module_from(Path(path))
        found = []
        self._register(module, path.name)
        for kind in KINDS:
            for cls in self._returned(module, kind, path.name):
                known = Known(kind, cls.name, path.name, "local", (), str(path), lambda m=module: m)
                self._check_class(known, cls)
                found.append(known)
                self._classes[known] = cls
        self._local += found
        return found

    def activate(self, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Make an extension and let its hooks take part in this process."""
        extension = self.make("extensions", name, options)
        self._register(extension, f"extension:{name}")
        return extension

    def _all_installed(self) -> list[Known]:
        if self._installed is None:
            self._installed = list(_discover())
        return self._installed

    def _class_from(self, known: Known, module: Any) -> Any:
        self._register(module, known.dist)
        returned = self._returned(module, known.kind, known.dist)
        for cls in returned:
            if getattr(cls, "name", None) == known.name:
                return self._check_class(known, cls)
        names = ", ".join(repr(getattr(c, "name", c)) for c in returned) or "nothing"
        raise PluginError(
            f"Plugin {known.qualified} is named '{known.name}' in its package metadata, "
            f"but its hook acestep_{known.kind} returns {names}",
            "make the class attribute `name` equal to the entry-point name",
        )

    def _register(self, module: Any, owner: str) -> None:
        if self.manager.is_registered(module):
            return
        try:
            self.manager.register(module)
            self.manager.check_pending()
        except Exception as e:  # isolation wall: whatever a stranger's hooks look like
            if self.manager.is_registered(module):
                self.manager.unregister(module)
            reason = str(e).strip().splitlines()[-1]
            raise PluginError(f"A hook in {owner} does not fit: {reason}", "see PLUGINS.md for its arguments") from e

    def _returned(self, module: Any, kind: str, owner: str) -> list[Any]:
        others = [p for p in self.manager.get_plugins() if p is not module]
        hook = f"acestep_{kind}"
        try:
            results = self.manager.subset_hook_caller(hook, remove_plugins=others)()
            return [cls for result in results for cls in result]
        except Exception as e:  # isolation wall: the hook is a stranger's code
            raise PluginError(f"The hook {hook} of {owner} failed: {_said(e)}", f"update or remove {owner}") from e

    def _check_class(self, known: Known, cls: Any) -> Any:
        base = KINDS[known.kind]
        if base is None:
            if not (hasattr(cls, "invoke") and hasattr(cls, "main")):
                raise PluginError(f"Plugin {known.qualified} is not a click command", f"update {known.dist}")
            return cls
        if not (inspect.isclass(cls) and issubclass(cls, base)):
            raise PluginError(f"Plugin {known.qualified} is no subclass of {base.__name__}", f"update {known.dist}")
        missing = sorted(getattr(cls, "__abstractmethods__", ()))
        if missing:
            raise PluginError(f"Plugin {known.qualified} lacks {', '.join(missing)}", f"update {known.dist}")
        return cls


@functools.cache
def registry() -> Registry:
    """The process-wide registry of installed plugins, restricted by ACESTEP_PLUGINS=dist,dist if that is set."""
    return Registry()


def _discover() -> Iterable[Known]:
    allowed = os.environ.get("ACESTEP_PLUGINS")
    names = None if allowed is None else {canonicalize_name(n.strip()) for n in allowed.split(",")} | {CORE}
    entry_points = importlib_metadata.entry_points()
    for kind in KINDS:
        for ep in entry_points.select(group=f"{hooks.PROJECT}.{kind}"):
            dist = ep.dist.metadata["Name"] if ep.dist else "unknown"
            if names is None or canonicalize_name(dist) in names:
                version = ep.dist.version if ep.dist else "?"
                requires = tuple(ep.dist.requires or ()) if ep.dist else ()
                yield Known(kind, ep.name, dist, version, requires, ep.value, ep.load)


def _check_requirement(known: Known) -> None:
    for line in known.requires:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(wanted.name) != CORE or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        if not wanted.specifier.contains(acestep_core.__version__, prereleases=True):
            raise PluginError(
                f"Plugin {known.qualified} {known.version} needs {CORE} {wanted.specifier}, "
                f"this is {acestep_core.__version__}",
                f"pip install --upgrade {known.dist}",
            )


def _imported(known: Known) -> Any:
    try:
        return known.load()
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as e:
        raise PluginError(f"Plugin {known.qualified} misses the package '{e.name}'", f"pip install {e.name}") from e
    except BaseException as e:  # isolation wall: sys.exit and whatever else a stranger's import may do
        raise PluginError(
            f"Plugin {known.qualified} failed while it was imported: {_said(e)}", f"pip uninstall {known.dist}"
        ) from e


def _module_from(path: Path) -> Any:
    if not path.is_file():
        raise PluginError(f"There is no plugin file {path}", "give the path of a .py file")
    name = f"acestep_local_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is not a Python file", "give the path of a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # isolation wall
        raise PluginError(f"{path} failed while it was imported: {_said(e)}", "mend the file") from e
    return module


def _said(e: BaseException) -> str:
    return f"{type(e).__name__}: {e}" if str(e) else type(e).__name__
