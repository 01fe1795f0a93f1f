"""acestep-core config, and `train --config`: one file for a training."""

import json
import tomllib
from pathlib import Path

import pytest

from acestep_core.registry import registry

QUICK = '[adapter]\nname = "lora"\nrank = 2\n[train]\nsteps = 2\nseed = 3\n[optimizer]\nlearning_rate = 0.01\n'


@pytest.fixture
def run_file(tmp_path, monkeypatch, encoded, tiny) -> Path:
    """A short training; the working folder is beside it."""
    monkeypatch.chdir(tmp_path)
    places = {"data": {"encoded": str(encoded.folder)}, "model": {"folder": str(tiny)}, "save": {"out": "from-file"}}
    text = QUICK + "".join(f"[{s}]\n" + "".join(f"{k} = {v!r}\n" for k, v in t.items()) for s, t in places.items())
    (tmp_path / "r.toml").write_text(text + '[sample]\ncount = 0\n[backend]\ndevice = "cpu"\ndtype = "float32"\n')
    return tmp_path / "r.toml"


def recorded(folder: str) -> dict:
    return tomllib.loads((Path(folder) / "run.toml").read_text())


def test_train_takes_everything_from_one_file_and_another_run_from_its_run_toml(cli, run_file):
    ended = cli("train", "--config", run_file)
    assert ended.code == 0, ended.err
    first = recorded("from-file")
    assert (first["adapter"]["rank"], first["train"]["steps"], first["train"]["seed"]) == (2, 2, 3)
    assert first["train"]["learning_rate"] == 0.01 and first["backend"]["dtype"] == "float32"
    ended = cli("train", "--config", "from-file", "--out", "again")
    assert ended.code == 0, ended.err
    again = recorded("again")
    assert {t: v for t, v in again.items() if t != "time"} == {t: v for t, v in first.items() if t != "time"}
    weights = [next(Path(out).glob("adapter/*.safetensors")).read_bytes() for out in ("from-file", "again")]
    assert weights[0] == weights[1]
    assert cli("config", "diff", "from-file", "again").out == "All settings are the same.\n"


def test_defaults_then_settings_file_then_run_file_then_set_then_command_line(cli, run_file):
    Path("acestep.toml").write_text("[train]\nepochs = 7\nbatch_size = 2\nema = 0.5\n[adapters.lora]\ndropout = 0.1\n")
    typed = ("--ema", "0.25", "-o", "alpha=5", "--set", "train.seed=8", "--set", "adapter.rank=3", "--out", "typed")
    ended = cli("train", "--config", run_file, *typed)
    assert ended.code == 0, ended.err
    run = recorded("typed")
    train, adapter = run["train"], run["adapter"]
    assert (train["steps"], train["batch_size"], train["ema"], train["seed"]) == (2, 2, 0.25, 8)
    assert (adapter["rank"], adapter["alpha"], adapter["dropout"]) == (3, 5.0, 0.1)


def test_another_adapter_and_length_on_the_command_line_take_the_place_of_those_in_the_file(cli, run_file):
    ended = cli("train", "--config", run_file, "--adapter", "lokr", "--epochs", "1", "--out", "other")
    assert ended.code == 0, ended.err
    assert "note: r.toml: [adapter] is about lora, and lokr is asked for: not used are rank" in ended.err
    run = recorded("other")
    assert run["adapter"]["name"] == "lokr@acestep-core" and run["train"]["steps"] == 3


def test_mistakes_in_a_run_file_end_train_before_anything_loads(cli, run_file):
    run_file.write_text(run_file.read_text().replace("count = 0", "every = -2") + "[schedule]\nwarmpu = 1\n")
    ended = cli("train", "--config", run_file, "--set", "train.steps=0")
    assert ended.code == 1 and not Path("from-file").exists()
    for said in ("has 3 problems", "sample.every must be at least 0", "did you mean 'warmup'?",
                 "--set train.steps=0: train.steps must be at least 1, not 0"):  # fmt: skip
        assert said in ended.err


def test_train_says_what_of_kohyas_names_is_not_used(cli, run_file):
    text = run_file.read_text().replace('name = "lora"\nrank = 2\n', "")
    run_file.write_text(text + "[network_arguments]\nnetwork_dim = 2\nclip_skip = 2\nxformers = true\n")
    ended = cli("train", "--config", run_file)
    assert ended.code == 0, ended.err
    assert "note: r.toml: not used, because about pictures" in ended.err and "clip_skip, xformers" in ended.err
    assert recorded("from-file")["adapter"]["rank"] == 2


def test_config_template_writes_a_file_that_config_check_takes(cli, run_file, encoded, tiny):
    assert cli("config", "template", "--adapter", "oft", "-o", "t.toml").code == 0
    assert 'name = "oft"' in Path("t.toml").read_text()
    assert cli("config", "template", "-o", "t.toml").code == 1
    folders = ("--set", f"data.encoded={encoded.folder}", "--set", f"model.folder={tiny}")
    ended = cli("config", "check", "t.toml", *folders)
    assert ended.code == 0 and "t.toml is right" in ended.out
    assert cli("config", "template").out.startswith("# A whole training in one file")


def test_config_check_tells_everything_and_as_json_the_same(cli, run_file):
    told = json.loads(cli("config", "check", run_file, "--json").out)
    assert told["problems"] == [] and told["settings"]["adapter.rank"] == 2 and told["settings"]["train.ema"] == 0.0
    run_file.write_text("[train]\nstpes = 1\nema = 2\n[training_arguments]\nclip_skip = 1\nresume = 'x'\n")
    ended = cli("config", "check", run_file)
    assert ended.code == 1 and ended.err.count("Problem: ") == 3 and "clip_skip" in ended.out
    told = json.loads(cli("config", "check", run_file, "--json").out)
    assert len(told["problems"]) == 3 and told["settings"] is None and told["kohya"][0]["name"] == "clip_skip"


def test_config_explain_says_what_a_setting_is_and_where_its_value_comes_from(cli, run_file):
    out = cli("config", "explain", "learning_rate", "--config", run_file).out
    where = "0.01 (r.toml line 8)"
    for said in ("optimizer.learning_rate: peak rate", "float|auto, ", "above 0", "--learning-rate", where):
        assert said in out
    told = json.loads(
        cli("config", "explain", "train.ema", "--config", run_file, "--set", "train.ema=0.5", "--json").out
    )
    assert told[0]["value"] == 0.5 and told[0]["from"] == "--set train.ema=0.5" and told[0]["default"] == 0.0
    assert "64 (default)" not in cli("config", "explain", "rank", "--config", run_file).out
    assert "did you mean" in cli("config", "explain", "lerning_rate").err


def test_config_diff_shows_what_differs(cli, run_file):
    Path("other.toml").write_text('[adapter]\nname = "lora"\nrank = 4\n[train]\nsteps = 2\nseed = 3\n')
    told = json.loads(cli("config", "diff", run_file, "other.toml", "--json").out)
    assert told["adapter.rank"] == [2, 4] and told["optimizer.learning_rate"] == [0.01, None]
    assert "train.steps" not in told and "train.seed" not in told
    shown = cli("config", "diff", run_file, "other.toml").out
    assert "adapter.rank" in shown and "open" in shown


OWN = """
from acestep_core import TimestepSampler, hookimpl, option


class Corner(TimestepSampler):
    name = "corner"
    at: float = option(0.25, "the only t", ge=0, le=1)

    def sample(self, u):
        return u * 0 + self.at


@hookimpl
def acestep_samplers():
    return [Corner]
"""


@pytest.fixture
def own_registry():
    """What --plugin registers is gone afterwards."""
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.mark.usefixtures("own_registry")
def test_a_run_file_names_a_plugin_of_a_local_file(cli, run_file):
    Path("corner.py").write_text(OWN)
    run_file.write_text(run_file.read_text() + "[sampler]\nname = 'corner'\nat = 0.5\n")
    ended = cli("train", "--config", run_file, "--plugin", "corner.py")
    assert ended.code == 0, ended.err
    assert recorded("from-file")["sampler"] == {"name": "corner@corner.py", "at": 0.5}
    assert cli("config", "check", run_file, "--plugin", "corner.py").code == 0
    assert "# the only t" in cli("config", "template", "--sampler", "corner", "--plugin", "corner.py").out
    assert "sampler.at of corner" in cli("config", "explain", "sampler.at", "--plugin", "corner.py").out
    ended = cli("config", "check", run_file, "--plugin", "corner.py", "--set", "sampler.at=2")
    assert ended.code == 1 and "sampler.at must be at most 1, not 2" in ended.err


def test_completion_does_not_need_a_right_run_file(cli, run_file):
    from click.shell_completion import ShellComplete

    from acestep_core.cli import group

    complete = ShellComplete(group, {}, "acestep-core", "_COMPLETE").get_completions
    assert "--learning-rate" in [c.value for c in complete(["train", "--config", "gone.toml"], "--lear")]
