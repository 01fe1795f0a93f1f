"""The arguments read from the source are those that the script's own parser has, and nothing is imported for it."""

import argparse
import importlib.util
import sys
from pathlib import Path

import pytest
from acestep_kohya.arguments import FLAG, LIST, STEPS, SWITCH, WHOLE
from acestep_kohya.bundled import bundled_schema
from acestep_kohya.source import read_schema
from fake_scripts import write_scripts

from acestep_core import UserError


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    return write_scripts(tmp_path / "sd-scripts")


def parser_of(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """What the script itself makes, imported."""
    monkeypatch.syspath_prepend(str(folder))
    for name in [n for n in sys.modules if n.split(".")[0] in ("library", "train_network")]:
        monkeypatch.delitem(sys.modules, name)
    spec = importlib.util.spec_from_file_location("script_under_test", folder / script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parser = module.setup_parser()
    for name in [n for n in sys.modules if n.split(".")[0] in ("library", "train_network")]:
        del sys.modules[name]
    return parser


@pytest.mark.parametrize("script", ["train_network.py", "sdxl_train_network.py"])
def test_it_is_what_argparse_has(scripts, script, monkeypatch):
    known = read_schema(scripts, script)
    assert known.notes == ()
    actions = [a for a in parser_of(scripts, script, monkeypatch)._actions if a.dest != "help"]
    assert list(known.arguments) == [a.dest for a in actions]
    for action in actions:
        found = known.arguments[action.dest]
        assert found.option in action.option_strings and found.option.startswith("--")
        assert found.default == action.default, action.dest
        assert list(found.choices) == [c for c in action.choices or [] if c is not None]
        assert (found.kind == LIST) == (action.nargs in ("*", 3))
        assert (found.kind == FLAG) == (action.nargs == 0 and len(action.option_strings) == 1)


def test_the_odd_ones_are_understood(scripts):
    known = read_schema(scripts, "train_network.py").arguments
    assert known["lr_warmup_steps"].type == STEPS and known["seed"].type == WHOLE
    assert known["triple"].count == 3
    assert known["tidy"].kind == SWITCH and known["tidy"].off == "--no-tidy"
    assert known["drop_ema"].on is False and known["drop_ema"].option == "--keep_ema"
    assert known["mixed_precision"].choices == ("no", "fp16", "bf16")  # a constant of its module
    assert "shift_x" in known and "never" not in known
    assert [a.name for a in known.values() if a.deprecated] == ["caption_extention", "use_8bit_adam", "with_dashes"]


def test_nothing_of_it_runs(scripts):
    for path in scripts.rglob("*.py"):
        path.write_text(path.read_text() + "\nraise SystemExit('imported')\n")
    assert len(read_schema(scripts, "sdxl_train_network.py").arguments) > 50


def test_what_cannot_be_told_is_a_note_and_costs_nothing_else(scripts):
    path = scripts / "library" / "config_util.py"
    more = '    for name in open("x"):\n        parser.add_argument(name)\n    from nowhere import f\n    f(parser)\n'
    path.write_text(path.read_text() + more)
    known = read_schema(scripts, "train_network.py")
    assert known.notes == ("config_util.py line 5: an argument whose name cannot be told",
                           "config_util.py line 7: f() is not to be found")  # fmt: skip
    assert "dataset_config" in known.arguments and "network_dim" in known.arguments


def test_functions_that_call_each_other_come_to_an_end(scripts):
    path = scripts / "library" / "config_util.py"
    path.write_text(path.read_text() + "    add_config_arguments(parser)\n")
    assert "dataset_config" in read_schema(scripts, "train_network.py").arguments


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "train_network.py").unlink(), "There is no train_network.py in"),
        (lambda f: (f / "library/train_util.py").write_text("def f(:\n"), "train_util.py line 1 is no Python"),
        (lambda f: (f / "train_network.py").write_text("x = 1\n"), "defines no setup_parser"),
        (lambda f: (f / "train_network.py").write_text("def setup_parser():\n    return 1\n"), "adds no argument"),
    ],
)
def test_a_folder_that_is_none_is_told(scripts, change, said):
    change(scripts)
    with pytest.raises(UserError, match=said):
        read_schema(scripts, "train_network.py")


def test_the_bundled_list_has_the_numbers_that_were_counted_in_the_real_parsers():
    known = bundled_schema("train_network.py").arguments.values()
    kinds = [a.kind for a in known]
    assert (len(kinds), kinds.count(FLAG), kinds.count(LIST), sum(bool(a.choices) for a in known)) == (193, 59, 6, 14)
    assert len(bundled_schema("sdxl_train_network.py").arguments) == 196
    with pytest.raises(UserError, match="give --scripts FOLDER"):
        bundled_schema("flux_train_network.py")
