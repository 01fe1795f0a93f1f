"""acestep-core lr-find, and train --learning-rate auto."""

import json
import tomllib

import pytest
from scripted_loop import scripted

CPU = ("-o", "backend.device=cpu", "-o", "backend.dtype=float32")


@pytest.fixture
def loop(encoded, monkeypatch):
    return scripted(monkeypatch, type(encoded.model.backend))


@pytest.fixture
def asked(cli, tiny, encoded, tmp_path, monkeypatch):
    """asked("lr-find", ...) works on the encoded songs, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda command, *more: cli(command, encoded.folder, "--model", tiny, *more, *CPU)


def test_lr_find_tells_rate_plateau_and_files_and_shows_how_far_it_is(asked, loop, tmp_path):
    ended = asked("lr-find", "--adapter", "lora", "-o", "adapter.rank=4")
    assert ended.code == 0, ended.err
    assert "plateau 0.002: d*lr rose by less than 5% in 50 steps before step 57; half of it is chosen" in ended.out
    assert "learning rate: 0.001\n" in ended.out and "--learning-rate 0.001" in ended.out
    assert "step 1/400" in ended.err and "rate 3.16e-06" in ended.err
    told = json.loads((tmp_path / "lr-find" / "lr_find.json").read_text())
    assert told["made_of"]["adapter"] | {"name": "lora@acestep-core", "rank": 4} == told["made_of"]["adapter"]


def test_lr_find_as_json_reads_what_it_found_before(asked, loop):
    first, again = (json.loads(asked("lr-find", "--json", "--no-progress").out) for _ in range(2))
    assert (first["learning_rate"], first["plateau"], first["step"], first["stable"]) == (1e-3, 2e-3, 57, True)
    assert again == first | {"kept": True} and len(loop.steps) == 57


def test_lr_find_takes_the_run_file_of_a_training_which_then_takes_its_result(asked, loop, tmp_path):
    (tmp_path / "r.toml").write_text(
        '[adapter]\nname = "lora"\nrank = 2\n[train]\nsteps = 2\nbatch_size = 2\n'
        '[optimizer]\nlearning_rate = "auto"\n[save]\nout = "mine"\n[sample]\ncount = 0\n'
    )
    assert asked("lr-find", "--config", "r.toml").code == 0 and not (tmp_path / "mine").exists()
    loop.steps.clear()
    ended = asked("train", "--config", "r.toml")
    assert ended.code == 0 and loop.steps == [1, 2] and "searched for first, unless" in ended.err, ended.err
    assert "note: learning rate 0.001: d*lr rose by" in ended.err
    told = tomllib.loads((tmp_path / "mine" / "run.toml").read_text())
    assert told["train"]["learning_rate"] == 1e-3
    assert told["found_rate"] | {"file": "lr-find/lr_find.json", "plateau": 2e-3} == told["found_rate"]
    again = asked("train", "--config", "mine", "--out", "again")  # the number, not auto, repeats it
    assert again.code == 0 and "found_rate" not in tomllib.loads((tmp_path / "again" / "run.toml").read_text())


def test_lr_find_and_auto_name_the_package_that_is_missing_before_a_model_loads(asked, cli, tmp_path, monkeypatch):
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "prodigyopt" else there(n, *a))
    for command in (("lr-find",), ("train", "--learning-rate", "auto")):
        ended = asked(*command)
        assert ended.code == 1 and "pip install prodigyopt" in ended.err
    (tmp_path / "r.toml").write_text('[optimizer]\nlearning_rate = "auto"\n')
    ended = cli("config", "check", tmp_path / "r.toml")
    assert ended.code == 1 and "prodigyopt" in ended.out + ended.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--recipe", "lion"), "option 'recipe' must be prodigy|dadaptation, not 'lion'"),
        (("--max-steps", "5"), "must be at least 20"),
        (("--rise", "1"), "must be below 1"),
        (("--batch-size", "0"), "must be at least 1"),
    ],
)
def test_lr_find_tells_what_is_wrong(asked, more, said):
    ended = asked("lr-find", *more)
    assert ended.code == 1 and said in ended.err


def test_lr_find_without_a_rate_ends_with_a_sentence_and_what_to_do(asked, loop):
    loop.curve = lambda step, d0: (d0, 1.0)
    ended = asked("lr-find")
    assert ended.code == 1 and "No learning rate was found: d*lr has not left 1e-04" in ended.err
    assert "train --learning-rate" in ended.err and "Traceback" not in ended.err
