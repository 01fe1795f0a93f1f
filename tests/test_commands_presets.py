"""acestep-core config presets, config preset, and `train --preset`."""

import json
import tomllib
from pathlib import Path

import pytest


@pytest.fixture
def at(tmp_path, monkeypatch) -> Path:
    """The working folder of a person without presets of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def train(at, cli, encoded, tiny):
    """train("--preset", "mine") trains on the CPU and gives the settings that are recorded."""

    def trained(*words: str) -> dict:
        where = (encoded.folder, "--model", tiny, "-o", "backend.device=cpu", "-o", "backend.dtype=float32",
                 "--sample-count", "0")  # fmt: skip
        ended = cli("train", *where, *words, "--out", "run")
        assert ended.code == 0, ended.err
        return tomllib.loads(Path("run/run.toml").read_text()) | {"said": ended.err}

    return trained


def mine(text: str = "# Mine.\n[adapter]\nname = 'lora'\nrank = 2\n[optimizer]\nlearning_rate = 0.01\n"
         "[train]\nsteps = 2\n") -> Path:  # fmt: skip
    Path("mine.toml").write_text(text)
    return Path("mine.toml")


def test_config_presets_lists_one_line_each(at, cli):
    out = cli("config", "presets").out
    assert [line.split()[0] for line in out.splitlines()[2:]] == [
        "quick", "recommended", "quality", "vram-8", "vram-12", "vram-16", "vram-24",
    ]  # fmt: skip
    told = json.loads(cli("config", "presets", "--json").out)
    assert told["presets"][0]["name"] == "quick" and told["problems"] == [] and str(at) in told["folder"]


def test_config_preset_show_export_import_and_remove(at, cli):
    shown = cli("config", "preset", "show", "quick").out
    assert shown.startswith("# ") and "learning_rate = 1e-3" in shown
    assert json.loads(cli("config", "preset", "show", "quick", "--json").out)["settings"]["train"]["steps"] == 300
    assert cli("config", "preset", "export", "quick").code == 0
    assert Path("quick.toml").read_text() == shown
    assert "is there already" in cli("config", "preset", "export", "quick").err
    assert "give another --name" in cli("config", "preset", "import", "quick.toml").err
    ended = cli("config", "preset", "import", "quick.toml", "--name", "choir")
    assert ended.code == 0 and "--preset choir" in ended.out
    assert "choir" in cli("config", "presets").out
    assert cli("config", "preset", "remove", "choir").code == 0
    assert "choir" not in cli("config", "presets").out
    ended = cli("config", "preset", "show", "qick")
    assert ended.code == 1 and "did you mean 'quick'?" in ended.err


def test_config_check_and_explain_say_what_a_preset_makes_of_a_file(at, cli):
    Path("r.toml").write_text("[train]\nseed = 5\n")
    told = json.loads(cli("config", "check", "r.toml", "--preset", "quality", "--json").out)
    assert told["settings"]["adapter.rank"] == 128 and told["settings"]["train.seed"] == 5
    explained = ("config", "explain", "--config", "r.toml", "--preset", "quality")
    assert "128 (preset quality line 5)" in cli(*explained, "adapter.rank").out
    assert "5 (r.toml line 2)" in cli(*explained, "train.seed").out
    assert "0.01 (default)" in cli(*explained, "weight_decay").out


def test_train_takes_a_preset_and_records_its_name_and_values(train, cli):
    cli("config", "preset", "import", mine())
    run = train("--preset", "mine")
    assert (run["adapter"]["rank"], run["train"]["steps"], run["train"]["learning_rate"]) == (2, 2, 0.01)
    assert run["preset"]["name"] == "mine" and len(run["preset"]["id"]) == 12
    assert run["preset"]["settings"] == tomllib.loads(Path("mine.toml").read_text())
    again = cli("train", "--config", "run", "--out", "again")
    assert again.code == 0 and "[preset]" not in Path("again/run.toml").read_text()
    assert cli("config", "diff", "run", "again").out == "All settings are the same.\n"


def test_what_is_typed_wins_over_a_preset_and_another_adapter_leaves_its_own_settings_out(train, cli):
    Path("acestep.toml").write_text("[train]\nsteps = 9\nbatch_size = 2\n")
    cli("config", "preset", "import", mine())
    run = train("--preset", "mine", "--adapter", "lokr", "--epochs", "1", "--seed", "3")
    assert run["adapter"]["name"] == "lokr@acestep-core" and run["train"]["learning_rate"] == 1e-3
    assert (run["train"]["steps"], run["train"]["batch_size"], run["train"]["seed"]) == (2, 2, 3)
    assert "note: preset mine: [adapter] is about lora, and lokr is asked for: not used are rank" in run["said"]


def test_train_with_a_preset_that_is_wrong_ends_before_anything_loads(at, cli):
    (at / "config/acestep-core/presets").mkdir(parents=True)
    (at / "config/acestep-core/presets/bad.toml").write_text("[train]\nstpes = 1\n[data]\nencoded = 'x'\n")
    ended = cli("train", "e", "--model", "m", "--preset", "bad")
    assert ended.code == 1 and "preset bad has 2 problems" in ended.err and "did you mean 'steps'?" in ended.err
    ended = cli("train", "e", "--model", "m", "--preset", "vram-9")
    assert ended.code == 1 and "There is no preset 'vram-9'" in ended.err


def test_a_preset_in_the_settings_file_is_refused_and_not_passed_over(at, cli):
    Path("acestep.toml").write_text('[train]\npreset = "quick"\n')
    ended = cli("train", "e", "--model", "m")
    assert ended.code == 1 and "has no key 'preset'" in ended.err and "type --preset" in ended.err


def test_presets_are_completed():
    from click.shell_completion import ShellComplete

    from acestep_core.cli import group

    complete = ShellComplete(group, {}, "acestep-core", "_COMPLETE").get_completions
    assert [c.value for c in complete(["train", "--preset"], "vram-1")] == ["vram-12", "vram-16"]
