"""Finds plugins by package metadata and loads exactly the ones that are asked for.

Three states: *known* (metadata read, nothing imported), *loaded* (module imported and registered with pluggy),
*made* (an object with the user's options). Whatever a plugin does wrong becomes one `PluginError`.
"""

import functools
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pluggy

from acestep_core import hooks
from acestep_core.api import KINDS
from acestep_core.discovery import Known, canonical, check_requirement, discover, said
from acestep_core.errors import PluginError, raise_all
from acestep_core.options import nearest, options_of, parse_options


class Registry:
    """The plugins of one process. Tests make a closed one from a list; `registry()` sees what is installed."""

    def __init__(self, known: Iterable[Known] | None = None):
        self.manager = pluggy.PluginManager(hooks.PROJECT)
        self.manager.add_hookspecs(hooks)
        self._installed = None if known is None else list(known)
        self._notes: list[str] = []
        self._files: dict[Path, list[Known]] = {}
        self._classes: dict[Known, Any] = {}

    def known(self, kind: str) -> list[Known]:
        """All plugins of a kind, sorted by name; imports none."""
        if kind not in KINDS:
            raise PluginError(f"There is no plugin kind '{kind}'", nearest(kind, KINDS))
        every = [*self._all_installed(), *(k for found in self._files.values() for k in found)]
        return sorted((k for k in every if k.kind == kind), key=lambda k: (k.name, k.dist))

    def notes(self) -> list[str]:
        """Installed packages whose metadata cannot be read; they count as having no plugins."""
        self._all_installed()
        return list(self._notes)

    def find(self, kind: str, name: str) -> Known:
        """The plugin a user means by `name` or `name@distribution`."""
        bare, _, dist = name.partition("@")
        same_name = [k for k in self.known(kind) if k.name == bare]
        found = [k for k in same_name if not dist or canonical(k.dist) == canonical(dist)]
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
            check_requirement(known)
            self._classes[known] = self._class_from(known, _imported(known))
        return self._classes[known]

    def make(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """A plugin object with these options; every wrong option is told at once."""
        cls = self.load(kind, name)
        values, errors = parse_options(cls, options or {}, f"{kind[:-1]} '{name}'")
        raise_all(errors, f"The {kind[:-1]} '{name}'")
        return cls(**values)

    def add_file(self, path: Path) -> list[Known]:
        """Register one Python file as a plugin module (`--plugin FILE.py`), without packaging. Twice is once."""
        where = Path(path).resolve()
        if where not in self._files:
            classes = self._classes_in(_module_from(Path(path)), Path(path).name)
            self._classes |= classes
            self._files[where] = list(classes)
        return self._files[where]

    def files(self) -> list[Path]:
        """The plugin files that were added."""
        return list(self._files)

    def offered(self, known: Known, kind: str) -> list[Any]:
        """What the module of a plugin returns for a kind, its own or another; imports the module."""
        module = _imported(known)
        with self._taking_part(module, known.dist):
            return self._returned(module, kind, known.dist)

    def activate(self, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Make an extension and let its hooks take part in this process; it replaces an earlier one of that name."""
        extension = self.make("extensions", name, options)
        label = f"extension {self.find('extensions', name).qualified}"
        if self.manager.has_plugin(label):
            self.manager.unregister(name=label).close()
        self._register(extension, label, label)
        return extension

    def _all_installed(self) -> list[Known]:
        if self._installed is None:
            self._installed, self._notes = discover()
        return self._installed

    def _class_from(self, known: Known, module: Any) -> Any:
        with self._taking_part(module, known.dist):
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

    def _classes_in(self, module: Any, file: str) -> dict[Known, Any]:
        classes = {}
        with self._taking_part(module, file):
            if not self.manager.get_hookcallers(module):
                raise PluginError(f"{file} holds no plugin", "mark its acestep_* functions with @hookimpl")
            for kind in KINDS:
                for cls in self._returned(module, kind, file):
                    name = getattr(cls, "name", None) or repr(cls)
                    known = Known(kind, name, file, "local", (), module.__file__, lambda: module)
                    classes[known] = self._check_class(known, cls)
        return classes

    @contextmanager
    def _taking_part(self, module: Any, owner: str) -> Iterator[None]:
        """Registers a module's hooks; one that turns out to be faulty is taken out again."""
        new = not self.manager.is_registered(module)
        if new:
            self._register(module, owner)
        try:
            yield
        except PluginError:
            if new:
                self.manager.unregister(module)
            raise

    def _register(self, module: Any, owner: str, label: str | None = None) -> None:
        try:
            self.manager.register(module, label)
            self.manager.check_pending()
        except Exception as e:  # isolation wall: whatever a stranger's hooks look like
            if self.manager.is_registered(module):
                self.manager.unregister(module)
            reason = said(e) if not isinstance(e, pluggy.PluginValidationError) else str(e).strip().splitlines()[-1]
            raise PluginError(f"A hook in {owner} does not fit: {reason}", "see PLUGINS.md for its arguments") from e

    def _returned(self, module: Any, kind: str, owner: str) -> list[Any]:
        others = [p for p in self.manager.get_plugins() if p is not module]
        hook = f"acestep_{kind}"
        with _wall(f"The hook {hook} of {owner} failed", f"update or remove {owner}"):
            results = self.manager.subset_hook_caller(hook, remove_plugins=others)()
        for result in results:
            if not isinstance(result, list | tuple):
                what = type(result).__name__
                raise PluginError(f"The hook {hook} of {owner} returns {what} instead of a list", f"update {owner}")
        return [cls for result in results for cls in result]

    def _check_class(self, known: Known, cls: Any) -> Any:
        base, name, hint = KINDS[known.kind], known.qualified, f"update {known.dist}"
        if base is None:
            if isinstance(cls, type) or not (hasattr(cls, "invoke") and hasattr(cls, "main")):
                raise PluginError(f"Plugin {name} is not a click command", hint)
            return cls
        if not (isinstance(cls, type) and issubclass(cls, base)):
            raise PluginError(f"Plugin {name} is no subclass of {base.__name__}", hint)
        if not cls.name:
            raise PluginError(f"Plugin {name} has no name", "set the class attribute `name`")
        missing = sorted(cls.__abstractmethods__)
        if missing:
            raise PluginError(f"Plugin {name} lacks {', '.join(missing)}", hint)
        with _wall(f"The options of plugin {name} cannot be read", hint):
            options_of(cls)
        return cls


@functools.cache
def registry() -> Registry:
    """The process-wide registry of installed plugins, restricted by ACESTEP_PLUGINS=dist,dist if that is set."""
    return Registry()


def _imported(known: Known) -> Any:
    with _wall(f"Plugin {known.qualified} failed while it was imported", f"pip uninstall {known.dist}"):
        try:
            return known.load()
        except ModuleNotFoundError as e:
            missing = (e.name or "").partition(".")[0]
            if missing in ("", known.source.partition(".")[0].partition(":")[0]):
                raise
            raise PluginError(
                f"Plugin {known.qualified} misses the package '{missing}'", f"pip install {missing}"
            ) from e


def _module_from(path: Path) -> Any:
    if not path.is_file() or path.suffix != ".py":
        raise PluginError(f"There is no plugin file {path}", "give the path of a .py file")
    # The whole path, so that files of the same name do not overwrite each other.
    name = "acestep_local_" + re.sub(r"\W", "_", str(path.resolve()))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are resolved there
    with _wall(f"{path} failed while it was imported", "mend the file"):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _wall(problem: str, hint: str) -> Iterator[None]:
    """Whatever a stranger's code raises, sys.exit included, becomes one sentence."""
    try:
        yield
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as e:  # isolation wall
        raise PluginError(f"{problem}: {said(e)}", hint) from e
