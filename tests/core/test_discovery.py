"""Discovery reads package metadata, imports nothing, and survives what other packages left behind."""

import importlib
import sys
from pathlib import Path

import pytest

from acestep_core import PluginError
from acestep_core.discovery import canonical, discover
from acestep_core.registry import Registry

TEXT = "[acestep_core.samplers]\n{name} = {name}_module:thing\n\n[console_scripts]\n{name} = {name}_module:main\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders to install into, `first` before `second`, that are all of sys.path."""
    importlib.import_module("packaging.requirements")  # used later, when this sys.path would not have it
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second")])
    monkeypatch.delenv("ACESTEP_PLUGINS", raising=False)
    return tmp_path


def install(place: Path, name: str, version: str = "0.3", entry_points: str | None = None, about: str = "") -> Path:
    info = place / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    about = about or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: acestep-core>=1,<2\n"
    (info / "METADATA").write_text(about, encoding="utf-8")
    text = TEXT.format(name=name.replace("-", "_")) if entry_points is None else entry_points
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
    return info


def test_a_plugin_is_known_by_its_metadata_alone(machine: Path):
    install(machine / "first", "ramp")
    [known], notes = discover()
    assert (known.kind, known.name, known.dist, known.version) == ("samplers", "ramp", "ramp", "0.3")
    assert (known.requires, known.source, notes) == (("acestep-core>=1,<2",), "ramp_module:thing", [])
    assert "ramp_module" not in sys.modules


def test_of_two_copies_of_a_distribution_the_first_counts(machine: Path):
    install(machine / "second", "Ramp-Plugin", "0.1", TEXT.format(name="stale"))
    install(machine / "first", "ramp_plugin", "0.9")
    assert [(k.name, k.version) for k in discover()[0]] == [("ramp_plugin", "0.9")]


@pytest.mark.parametrize(
    "entry_points, about",
    [
        ("[acestep_core.samplers]\nbent\n", ""),
        (TEXT.format(name="bent"), "Metadata-Version: 2.1\nVersion: 1\n"),
        (TEXT.format(name="bent"), "\n"),
    ],
    ids=["no value", "no name", "nothing"],
)
def test_damaged_metadata_is_noted_and_harms_nobody_else(machine: Path, entry_points: str, about: str):
    install(machine / "first", "bent", entry_points=entry_points, about=about)
    install(machine / "second", "ramp")
    found, [note] = discover()
    assert [k.name for k in found] == ["ramp"]
    assert note.startswith("the metadata of ") and "is damaged" in note and "\n" not in note
    assert "bent" in note or str(machine / "first") in note


def test_a_half_removed_package_is_noted(machine: Path):
    (install(machine / "first", "bent") / "METADATA").unlink()
    found, [note] = discover()
    assert found == [] and "is damaged" in note


def test_damage_in_packages_without_plugins_is_not_our_business(machine: Path):
    install(machine / "first", "bent", entry_points="[console_scripts]\nbent\n")
    install(machine / "first", "ramp")
    assert ([k.name for k in discover()[0]], discover()[1]) == (["ramp"], [])


def test_a_malformed_value_shows_only_when_it_is_loaded(machine: Path):
    install(machine / "first", "bent", entry_points="[acestep_core.samplers]\nbent = not a module!\n")
    plugins = Registry()
    assert [k.name for k in plugins.known("samplers")] == ["bent"]
    with pytest.raises(PluginError, match="Plugin bent@bent failed while it was imported"):
        plugins.load("samplers", "bent")


def test_acestep_plugins_names_the_distributions_to_use(machine: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("acestep-core", "ramp-one", "ramp-two"):
        install(machine / "first", name)
    monkeypatch.setenv("ACESTEP_PLUGINS", "Ramp_One, other")
    assert sorted(k.dist for k in discover()[0]) == ["acestep-core", "ramp-one"]
    monkeypatch.setenv("ACESTEP_PLUGINS", "")
    assert [k.dist for k in discover()[0]] == ["acestep-core"]


def test_groups_of_other_programs_and_unknown_kinds_are_passed_over(machine: Path):
    install(machine / "first", "ramp", entry_points="[acestep_core.toasters]\na = b\n[other]\nc = acestep_core\n")
    assert discover() == ([], [])


def test_names_are_compared_as_package_indexes_do():
    assert canonical("Acestep_Core") == canonical("acestep.-core") == "acestep-core"
