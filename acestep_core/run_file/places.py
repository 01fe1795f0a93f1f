"""Where each setting of a training stands in a run file. All derives from what settings and plugins declare."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from acestep_core.errors import UserError
from acestep_core.options import Option, nearest, option, options_of
from acestep_core.registry import Registry
from acestep_core.samples.settings import SampleSettings
from acestep_core.train_settings import TrainSettings

NAME = "name"
RATE = ("optimizer", "learning_rate")
PLUGINS: Mapping[str, tuple[str, str]] = {
    "adapter": ("adapters", "lokr"),
    "sampler": ("samplers", "logit_normal"),
    "backend": ("backends", "pt"),
}
"""Section -> (kind of plugin, the one taken unless another is named)."""
EXTENSIONS = "extensions"
SAMPLE = "sample"
SECTIONS = (
    "data",
    "model",
    "adapter",
    "sampler",
    "optimizer",
    "schedule",
    "train",
    "save",
    SAMPLE,
    "backend",
    EXTENSIONS,
)
# Fields of TrainSettings that stand elsewhere than in [train] under their own name.
_ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "optimizer": ("optimizer", NAME),
    "learning_rate": ("optimizer", "learning_rate"),
    "d0": ("optimizer", "d0"),
    "weight_decay": ("optimizer", "weight_decay"),
    "clip_norm": ("optimizer", "clip_norm"),
    "schedule": ("schedule", NAME),
    "cycles": ("schedule", "cycles"),
    "warmup": ("schedule", "warmup"),
    "final_rate": ("schedule", "final_rate"),
    "save_every": ("save", "every"),
    "save_every_epochs": ("save", "every_epochs"),
    "save_every_minutes": ("save", "every_minutes"),
    "keep": ("save", "keep"),
    "export": ("save", "export"),
    "trigger": ("save", "trigger"),
    "author": ("save", "author"),
    "license": ("save", "license"),
}


@dataclass(frozen=True)
class _Data:
    encoded: Path | None = option(None, "folder with the encoded songs, which `encode` made")


@dataclass(frozen=True)
class _Model:
    folder: Path | None = option(None, "folder with the checkpoints")
    variant: str | None = option(None, "which model, when the folder holds several")


@dataclass(frozen=True)
class _Save:
    out: Path = option(Path("run"), "the run folder")
    report: bool = option(True, "write report.html into the run folder at the end")


_COMMAND = {"data": _Data, "model": _Model, "save": _Save, SAMPLE: SampleSettings}
SAMPLE_PREFIX = f"{SAMPLE}_"
# Parameters of the command that are not settings of the loop.
PARAMETERS: Mapping[tuple[str, str], str] = {
    ("data", "encoded"): "encoded",
    ("model", "folder"): "model",
    ("model", "variant"): "variant",
    ("save", "out"): "out",
    ("save", "report"): "report",
    **{(SAMPLE, key): SAMPLE_PREFIX + key for key in options_of(SampleSettings)},
}
OUT = options_of(_Save)["out"].default


def place_of(field: str) -> tuple[str, str]:
    """Section and key of a field of `TrainSettings`."""
    return _ELSEWHERE.get(field, ("train", field))


@cache
def fields() -> Mapping[tuple[str, str], str]:
    """Section and key -> field of `TrainSettings`."""
    return {place_of(field): field for field in options_of(TrainSettings)}


@cache
def plain(section: str) -> Mapping[str, Option]:
    """The options of a section that no plugin declares, by key."""
    own = dict(options_of(_COMMAND[section])) if section in _COMMAND else {}
    settings = options_of(TrainSettings)
    own |= {key: replace(settings[f], name=key) for (where, key), f in fields().items() if where == section}
    if section in PLUGINS:
        kind, name = PLUGINS[section]
        own[NAME] = Option(NAME, str, name, f"{kind[:-1]} plugin", {}, False, kind)
    return own


def options(section: str, name: str, plugins: Registry) -> Mapping[str, Option]:
    """All options of a section; `name` is the plugin chosen there. Raises `PluginError` if there is none."""
    if section not in PLUGINS:
        return plain(section)
    return {**plain(section), **options_of(plugins.load(PLUGINS[section][0], name))}


def flag(section: str, key: str) -> str:
    """What says the same on the command line."""
    if (section, key) == ("data", "encoded"):
        return "ENCODED"
    if section in PLUGINS:
        return f"--{section}" if key == NAME else f"-o {section}.{key}="
    return "--" + (PARAMETERS.get((section, key)) or fields()[section, key]).replace("_", "-")


def unknown(section: str, key: str, known: Mapping[str, Option]) -> UserError:
    """What to say of a key that its section does not have."""
    homes = [place for s in SECTIONS if s != section for place in _homes(s, key)]
    hint = f"write {homes[0][1]} under [{homes[0][0]}]" if homes else nearest(key, known)
    return UserError(f"[{section}] has no key '{key}'", hint)


def _homes(section: str, key: str) -> list[tuple[str, str]]:
    """Places in a section that are meant by a key: its own, a field's name, or a parameter's of the command."""
    named = {**fields(), **PARAMETERS}
    meant = [p for p, name in named.items() if p[0] == section and key in (p[1], name)]
    return [p for p in meant if p[1] != NAME or key != NAME]
