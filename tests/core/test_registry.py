"""The registry: finding by name, loading only what is asked for, and one sentence for whatever a plugin does wrong."""

from typing import Any

import click
import pytest
from closed_registry import Cosine, closed, module_of, plugin

import acestep_core
from acestep_core import Extension, PluginError, Solver, TimestepSampler, UserError, hookimpl
from acestep_core.api import KINDS


def raising(error: BaseException) -> Any:
    def load() -> Any:
        raise error

    return load


def refusal(known: Any) -> PluginError:
    """What loading a plugin is refused with; it must not stay registered."""
    plugins = closed(known)
    with pytest.raises(PluginError) as caught:
        plugins.load(known.kind, known.name)
    assert "\n" not in caught.value.problem and known.dist in str(caught.value)
    assert not plugins.manager.get_plugins()
    return caught.value


def test_listing_loads_nothing():
    plugins = closed(plugin(load=raising(AssertionError("imported"))), plugin(name="beta", dist="other"))
    assert [k.qualified for k in plugins.known("samplers")] == ["beta@other", "cosine@stranger"]
    assert plugins.known("solvers") == []


def test_loading_imports_only_the_plugin_asked_for():
    plugins = closed(plugin(), plugin(name="beta", dist="other", load=raising(AssertionError("imported"))))
    assert plugins.load("samplers", "cosine") is Cosine
    assert [m.__name__ for m in plugins.manager.get_plugins()] == ["stranger"]


def test_a_plugin_is_imported_once():
    seen = []
    known = plugin(load=lambda: seen.append(1) or module_of(acestep_samplers=lambda: [Cosine]))
    plugins = closed(known)
    assert plugins.load("samplers", "cosine") is plugins.load("samplers", "cosine@stranger")
    assert seen == [1]


def test_making_gives_an_object_with_the_options():
    made = closed(plugin()).make("samplers", "cosine", {"power": "2", "shift": 0})
    assert (made.power, made.shift) == (2.0, 0)


def test_making_tells_every_wrong_option_at_once():
    with pytest.raises(UserError) as caught:
        closed(plugin()).make("samplers", "cosine", {"pwoer": 2, "shift": -1})
    assert "The sampler 'cosine' has 2 problems" in str(caught.value)
    assert "did you mean 'power'?" in str(caught.value) and "at least 0, not -1" in str(caught.value)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(PluginError, match="There is no sampler 'cosin'\n  did you mean 'cosine'?"):
        closed(plugin()).find("samplers", "cosin")


def test_an_unknown_kind_suggests_the_nearest():
    with pytest.raises(PluginError, match="There is no plugin kind 'sampler'\n  did you mean 'samplers'?"):
        closed().known("sampler")


def test_only_selecting_an_ambiguous_name_is_an_error():
    plugins = closed(plugin(dist="one"), plugin(dist="two"))
    assert len(plugins.known("samplers")) == 2
    with pytest.raises(PluginError, match="'cosine' is the name of 2 samplers\n  say which: cosine@one or cosine@two"):
        plugins.load("samplers", "cosine")


def test_name_at_distribution_selects_on_a_clash():
    other = type("Cosine", (Cosine,), {"name": "cosine"})
    plugins = closed(plugin(dist="my-one"), plugin(dist="two", acestep_samplers=lambda: [other]))
    assert plugins.load("samplers", "cosine@My_One") is Cosine
    assert plugins.load("samplers", "cosine@two") is other


def test_a_name_from_another_distribution_says_where_it_is():
    with pytest.raises(PluginError, match="'cosine' is not from 'elsewhere'\n  use cosine@stranger"):
        closed(plugin()).find("samplers", "cosine@elsewhere")


def test_one_module_may_bring_plugins_of_several_kinds():
    class Step(Solver):
        name = "step"

        def solve(self, velocity: Any, x: Any, t: Any, noise: Any, on_step: Any) -> Any:
            return x

    module = module_of(acestep_samplers=lambda: [Cosine], acestep_solvers=lambda: [Step])
    plugins = closed(plugin(load=lambda: module), plugin("solvers", "step", load=lambda: module))
    assert (plugins.load("samplers", "cosine"), plugins.load("solvers", "step")) == (Cosine, Step)


@pytest.mark.parametrize(
    "error, said",
    [
        (RuntimeError("first line\nsecond line"), "failed while it was imported: RuntimeError: first line"),
        (SystemExit(3), "failed while it was imported: SystemExit: 3"),
        (AttributeError(), "failed while it was imported: AttributeError"),
        (GeneratorExit("odd"), "failed while it was imported: GeneratorExit: odd"),
        (ModuleNotFoundError("no", name="crepe.core"), "misses the package 'crepe'"),
        (ModuleNotFoundError("No module named 'stranger'", name="stranger"), "No module named 'stranger'"),
        (ModuleNotFoundError("by hand"), "failed while it was imported: ModuleNotFoundError: by hand"),
    ],
)
def test_whatever_an_import_raises_is_one_sentence(error: BaseException, said: str):
    problem = refusal(plugin(load=raising(error))).problem
    assert problem.startswith("Plugin cosine@stranger ") and said in problem


def test_a_missing_package_comes_with_the_command_that_installs_it():
    assert refusal(plugin(load=raising(ModuleNotFoundError("no", name="crepe.core")))).hint == "pip install crepe"


def test_control_c_during_an_import_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        closed(plugin(load=raising(KeyboardInterrupt()))).load("samplers", "cosine")


@pytest.mark.parametrize("rubbish, said", [("abc", "str"), (3, "int"), (Cosine, "_PluginMeta"), ({}, "dict")])
def test_a_hook_that_returns_no_list_is_refused(rubbish: Any, said: str):
    assert f"returns {said} instead of a list" in refusal(plugin(acestep_samplers=lambda: rubbish)).problem


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_a_hook_that_returns_nothing_is_refused(nothing: Any):
    assert "returns nothing" in refusal(plugin(acestep_samplers=lambda: nothing)).problem


def test_a_plugin_module_without_the_hook_of_its_kind_is_refused():
    assert "returns nothing" in refusal(plugin("solvers", "step")).problem


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), SystemExit("oh")])
def test_a_hook_that_raises_is_refused(error: BaseException):
    assert "The hook acestep_samplers of stranger failed" in refusal(plugin(acestep_samplers=raising(error))).problem


def test_a_hook_with_a_wrong_argument_is_refused():
    problem = refusal(plugin(acestep_samplers=lambda surprise: [Cosine])).problem
    assert "A hook in stranger does not fit" in problem and "surprise" in problem


def test_a_hook_with_a_misspelt_name_is_refused():
    assert "acestep_sampler" in refusal(plugin(acestep_sampler=lambda: [Cosine])).problem


def test_a_name_that_differs_from_the_metadata_is_refused():
    error = refusal(plugin(name="kosinus"))
    assert "is named 'kosinus' in its package metadata, but its hook acestep_samplers returns 'cosine'" in error.problem
    assert error.hint == "make the class attribute `name` equal to the entry-point name"


def test_a_class_that_is_no_subclass_is_refused():
    stray = type("Stray", (), {"name": "cosine"})
    assert "is no subclass of TimestepSampler" in refusal(plugin(acestep_samplers=lambda: [stray])).problem


def test_a_class_that_lacks_an_abstract_method_is_refused():
    unfinished = type("Unfinished", (TimestepSampler,), {"name": "cosine"})
    assert "cosine@stranger lacks sample" in refusal(plugin(acestep_samplers=lambda: [unfinished])).problem


def test_options_with_an_unknown_type_are_refused():
    body = {
        "name": "cosine",
        "__annotations__": {"x": "Nowhere"},
        "x": acestep_core.option(None),
        "sample": Cosine.sample,
    }
    broken = type("Broken", (TimestepSampler,), body)
    assert "name 'Nowhere' is not defined" in refusal(plugin(acestep_samplers=lambda: [broken])).problem


def test_a_command_must_be_a_click_command():
    good = click.Command("tune")
    assert closed(plugin("commands", "tune", acestep_commands=lambda: [good])).load("commands", "tune") is good
    for base in (object, click.Command):
        bad = type("Stray", (base,), {"name": "tune"})
        problem = refusal(plugin("commands", "tune", acestep_commands=lambda bad=bad: [bad])).problem
        assert "tune@stranger is not a click command" in problem


@pytest.mark.parametrize("requires", ["acestep-core<1", "Acestep.Core<1", "acestep_core>=2,<3"])
def test_a_plugin_for_another_version_is_refused_before_it_is_imported(requires: str):
    known = plugin(requires=("numpy", requires), load=raising(AssertionError("imported")))
    error = refusal(known)
    assert "needs acestep-core" in error.problem and f"this is {acestep_core.__version__}" in error.problem
    assert error.hint == "pip install --upgrade stranger"


@pytest.mark.parametrize(
    "requires",
    [
        "acestep-core-extras<1",
        "acestep-core>=1,<2",
        "acestep-core",
        "acestep-core<1; extra == 'old'",
        "acestep-core<1; python_version < '3'",
        "no requirement at all ???",
    ],
)
def test_what_is_no_requirement_on_another_version_does_not_count(requires: str):
    assert closed(plugin(requires=(requires,))).load("samplers", "cosine") is Cosine


class Bell(Extension):
    """Notes what it hears."""

    name = "bell"

    volume: int = acestep_core.option(1, "how loud", ge=0)

    def __post_init__(self):
        self._heard = []
        self._closed = False

    @hookimpl
    def acestep_train_end(self, run: Any, error: Any) -> None:
        self._heard.append((run, error))

    def close(self) -> None:
        self._closed = True


def test_an_extension_takes_part_once_it_is_activated():
    plugins = closed(plugin("extensions", "bell", acestep_extensions=lambda: [Bell]))
    plugins.load("extensions", "bell")
    plugins.manager.hook.acestep_train_end(run="a", error=None)
    bell = plugins.activate("bell", {"volume": "0"})
    plugins.manager.hook.acestep_train_end(run="b", error=None)
    assert (bell.volume, bell._heard) == (0, [("b", None)])


def test_activating_an_extension_again_replaces_it():
    plugins = closed(plugin("extensions", "bell", acestep_extensions=lambda: [Bell]))
    first, second = plugins.activate("bell"), plugins.activate("bell@stranger", {"volume": 2})
    plugins.manager.hook.acestep_train_end(run="a", error=None)
    assert (first._heard, first._closed, len(second._heard)) == ([], True, 1)


def test_a_closed_registry_does_not_see_the_machine():
    assert [closed().known(kind) for kind in KINDS] == [[]] * len(KINDS)
    assert closed().notes() == []
