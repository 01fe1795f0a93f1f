"""What package metadata says about plugins: nothing of theirs is imported, and damage harms only its own package."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import importlib_metadata

import acestep_core
from acestep_core import hooks
from acestep_core.api import KINDS
from acestep_core.errors import PluginError

CORE = "acestep-core"
RESTRICT = "ACESTEP_PLUGINS"  # names of the distributions that may be seen besides the core; empty = none
_GROUPS = {f"{hooks.PROJECT}.{kind}": kind for kind in KINDS}


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


def discover() -> tuple[list[Known], list[str]]:
    """(plugins, notes on damaged metadata). Of two copies of a distribution the first on sys.path counts."""
    allowed = os.environ.get(RESTRICT)
    names = None if allowed is None else {canonical(n.strip()) for n in allowed.split(",")} | {CORE}
    found: dict[str, list[Known]] = {}
    notes = []
    for dist in importlib_metadata.distributions():
        try:
            plugins = _plugins_of(dist)
        except Exception as e:  # isolation wall: any package of this machine may be damaged
            notes.append(f"the metadata of {_dist_name(dist)} is damaged ({said(e)}); install it again")
            continue
        if plugins:
            found.setdefault(canonical(plugins[0].dist), plugins)
    return [k for dist, every in found.items() if names is None or dist in names for k in every], notes


def _plugins_of(dist: importlib_metadata.Distribution) -> list[Known]:
    if hooks.PROJECT not in (dist.read_text("entry_points.txt") or ""):  # damage in any other package is not ours
        return []
    ours = [ep for ep in dist.entry_points if ep.group in _GROUPS]
    about = dist.metadata  # parses the file on every access
    requires = tuple(dist.requires or ())
    return [Known(_GROUPS[e.group], e.name, about["Name"], about["Version"], requires, e.value, e.load) for e in ours]


def _dist_name(dist: importlib_metadata.Distribution) -> str:
    try:
        return dist.name
    except Exception:  # isolation wall: the damage may be in the name
        return f"a package in {dist.locate_file('')}"


def check_requirement(known: Known) -> None:
    """Raise `PluginError` if the plugin's package was made for another version of this one."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in known.requires:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if canonical(wanted.name) != CORE or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        if not wanted.specifier.contains(acestep_core.__version__, prereleases=True):
            raise PluginError(
                f"Plugin {known.qualified} {known.version} needs {CORE} {wanted.specifier}, "
                f"this is {acestep_core.__version__}",
                f"pip install --upgrade {known.dist}",
            )


def canonical(name: str) -> str:
    """PEP 503. The function of `packaging` would cost a tenth of the time of `--help`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def said(e: BaseException) -> str:
    """What an exception says, in one line."""
    lines = str(e).strip().splitlines()
    return f"{type(e).__name__}: {lines[0]}" if lines else type(e).__name__
