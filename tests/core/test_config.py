"""Settings files: what is written can be read, what nothing reads is an error."""

import math
import tomllib
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from closed_registry import closed, plugin

# Imported here so that the fixture below replaces the registry for the command group alone, not for these.
import acestep_core.commands.plugins
import acestep_core.commands.scan
import acestep_core.commands.train
import acestep_core.registry
from acestep_core import Adapter, UserError, option
from acestep_core.cli import group
from acestep_core.commands.choices import chosen_options
from acestep_core.config import dump_toml, load_config, plugin_options

KEYS = ["plain", "with-dash", "under_score", "1", "", "two words", "a.b", 'quote"d', "back\\slash", "夜の電車", "#",
        "[x]", "=", "\t", "new\nline", "\x7f", "é"]  # fmt: skip
VALUES = ["", "plain", 'say "hi"', "it's", "back\\slash", "夜の電車 🎵", "two\nlines", "tab\t", "\x00\x1f\x7f", "# no",
          '"""', 0, -1, 2**63 - 1, 0.0, -0.5, 1e-10, 1e300, math.inf, True, False, [], [1, 2], [0.5, 1.0], ["a", 'b"c'],
          [[1], [2, 3]], [{"a": 1, "b c": "d"}, {}]]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_every_key_survives_a_round_trip(key: str):
    content = {key: 1, "table": {key: {key: "x"}}}
    assert tomllib.loads(dump_toml(content)) == content


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_every_value_survives_a_round_trip(value: Any):
    read = tomllib.loads(dump_toml({"value": value, "table": {"value": value}}))
    assert read == {"value": value, "table": {"value": value}}
    assert type(read["value"]) is type(value)


def test_nested_tables_survive_and_values_stay_out_of_the_tables_before_them():
    content = {"a": {"b": {"c": {"x": 1}, "y": 2}, "z": {}}, "last": 3, "e": {"f": {}}}
    assert tomllib.loads(dump_toml(content)) == content


def test_none_is_left_out_everywhere():
    content = {"a": None, "b": 0, "t": {"c": None, "d": False}, "l": [1, None, {"e": None}]}
    assert tomllib.loads(dump_toml(content)) == {"b": 0, "t": {"d": False}, "l": [1, {}]}


def test_tuples_paths_and_numpy_numbers_are_written_as_plain_values():
    content = {"edges": (0, 1), "folder": Path("a/b"), "loss": np.float64(0.25)}
    assert tomllib.loads(dump_toml(content)) == {"edges": [0, 1], "folder": "a/b", "loss": 0.25}


def test_not_a_number_is_written_as_toml_writes_it():
    assert math.isnan(tomllib.loads(dump_toml({"x": math.nan}))["x"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(call: Any, *arguments: Any) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return str(caught.value)


def test_no_settings_file_is_no_settings(folder: Path):
    assert load_config() == {}


def test_the_file_beside_the_work_is_read_even_with_a_byte_order_mark(folder: Path):
    (folder / "acestep.toml").write_bytes(b"\xef\xbb\xbf[train]\r\nsteps = 0\r\n")
    assert load_config() == {"train": {"steps": 0}}


def test_the_file_given_wins_over_the_one_beside_the_work(folder: Path):
    (folder / "acestep.toml").write_text("[train]\nsteps = 1")
    (folder / "other.toml").write_text("[train]\nsteps = 2")
    assert load_config("other.toml") == {"train": {"steps": 2}}


def test_a_missing_file_that_was_asked_for_is_one_sentence(folder: Path):
    assert told(load_config, "no.toml") == (
        "Cannot read the settings file no.toml (No such file or directory)\n  check its path"
    )


@pytest.mark.parametrize("content", [b"[train\n", b"a = 1\na = 2\n", b"steps = \n", b"\xff\xfe\x00"])
def test_a_broken_file_is_one_sentence(folder: Path, content: bytes):
    (folder / "acestep.toml").write_bytes(content)
    problem, hint = told(load_config).split("\n")
    assert problem.startswith("acestep.toml is no valid TOML (") and hint == "  correct it"


class Thin(Adapter):
    name = "thin"

    rank: int = option(8, "size", ge=1)
    scale: float = option(1.0, "strength")

    def attach(self, decoder: Any) -> Any: ...

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return False

    @classmethod
    def from_files(cls, path: Path) -> "Thin":
        return cls()


def chosen(text: str, *pairs: str) -> dict[str, Any]:
    plugins = closed(plugin("adapters", "thin", acestep_adapters=lambda: [Thin]))
    return chosen_options(pairs, tomllib.loads(text), plugins, {"adapter": ("adapters", "thin@stranger")})["adapter"]


def test_the_table_of_an_adapter_sets_its_options():
    assert chosen("[adapters.thin]\nrank = 4\n[adapters.other]\nrank = 1") == {"rank": 4}


def test_the_command_line_wins_over_the_table_of_an_adapter():
    assert chosen("[adapters.thin]\nrank = 0\nscale = 0.0", "rank=2") == {"rank": "2", "scale": 0.0}


def test_problems_of_the_table_and_of_the_command_line_are_told_together():
    text = told(chosen, "[adapters.thin]\nrnak = 4", "scael=2", "adapter.rank=0")
    assert "adapter 'thin@stranger' has no option 'rnak' (did you mean 'rank'?)" in text
    assert "did you mean 'scale'?" in text and "at least 1, not 0" in text


@pytest.mark.parametrize("text", ["adapters = 3", "adapters = ['thin']", "[adapters]\nthin = 'small'"])
def test_a_value_where_the_table_of_an_adapter_should_be_is_told(text: str):
    assert "is no table\n  write [adapters.thin]" in told(plugin_options, tomllib.loads(text), "adapters", "thin@x")


def invoke(folder: Path, text: str, *arguments: str) -> Result:
    (folder / "acestep.toml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(group, arguments, catch_exceptions=False)


@pytest.fixture
def alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and no plugins but a command `tune`."""
    tune = click.Command("tune", params=[click.Option(["--key"])], callback=lambda key: click.echo(f"key {key}"))
    plugins = closed(plugin("commands", "tune", acestep_commands=lambda: [tune]))
    monkeypatch.setattr(acestep_core.registry, "registry", lambda: plugins)
    return folder


def test_a_misspelt_key_in_the_table_of_a_command_names_the_nearest(alone: Path):
    said = told(invoke, alone, "[train]\nsteps = 3\nlearnig_rate = 1e-3\n", "train", "x", "--model", "m")
    assert said == "[train] has no key 'learnig_rate'\n  did you mean 'learning_rate'?"


def test_all_misspelt_keys_are_told_at_once(alone: Path):
    said = told(invoke, alone, "[scan]\njsno = true\ntext = 'lyrics'\n", "scan", ".")
    assert "The settings file has 2 problems" in said and "'jsno'" in said and "did you mean 'txt'?" in said


def test_the_table_of_a_command_within_a_command_is_checked_too(alone: Path):
    said = told(invoke, alone, "[plugins.list]\nkidn = 'samplers'\n", "plugins", "list")
    assert said == "[plugins.list] has no key 'kidn'\n  did you mean 'kind'?"


def test_the_table_of_a_command_of_another_package_is_checked_too(alone: Path):
    assert told(invoke, alone, "[tune]\nkeey = 'D'\n", "tune") == "[tune] has no key 'keey'\n  did you mean 'key'?"


def test_tables_of_commands_that_do_not_run_are_left_alone(alone: Path):
    assert invoke(alone, "[scan]\nanything = 1\n[tune]\nkey = 1\n", "plugins", "list").exit_code == 0


def test_a_misspelt_table_names_the_nearest(alone: Path):
    said = told(invoke, alone, "[trian]\nsteps = 3\n", "plugins", "list")
    assert said == "Nothing reads 'trian'\n  did you mean 'train'?"


def test_a_value_where_a_table_should_be_is_told(alone: Path):
    assert told(invoke, alone, "train = 3\n", "train", "x", "--model", "m") == "'train' is no table\n  write [train]"


def test_settings_reach_the_command_and_the_command_line_wins(alone: Path):
    assert invoke(alone, "[tune]\nkey = 'D'\n", "tune").output == "key D\n"
    assert invoke(alone, "[tune]\nkey = 'D'\n", "tune", "--key", "E").output == "key E\n"
