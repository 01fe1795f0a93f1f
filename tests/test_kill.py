"""Killed or stopped in the middle, encode and train end with the same bytes as if nothing had happened."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from acestep_core.run import Run

pytestmark = pytest.mark.slow

STEPS = 18
TRAIN = ("--steps", str(STEPS), "--save-every", "3", "-o", "device=cpu", "-o", "dtype=float32", "--sample-count", "0")
SONGS = {"a": 110.0, "b": 220.0, "c": 330.0, "d": 440.0}


@pytest.fixture(scope="module")
def songs(tmp_path_factory, make_song) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for name, hz in SONGS.items():
        make_song(folder / f"{name}.wav", 5.2, hz, f"bells {name}")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(encoded, tiny, cli, tmp_path_factory) -> Path:
    """A training run from start to end."""
    out = tmp_path_factory.mktemp("run") / "whole"
    assert cli("train", encoded.folder, "--model", tiny, "--out", out, *TRAIN).code == 0
    return out


@pytest.fixture(scope="module")
def stopped(encoded, tiny, tmp_path_factory) -> tuple[Path, int, str]:
    """Run folder, exit code and output of a training that got Ctrl-C."""
    out = tmp_path_factory.mktemp("run") / "stopped"
    code, printed = interrupted(
        ["train", encoded.folder, "--model", tiny, "--out", out, *TRAIN],
        lambda: any((out / "checkpoints").glob("step-*")),
        signal.SIGINT,
    )
    return out, code, printed


def interrupted(args: list, ready: Callable[[], bool], number: int) -> tuple[int, str]:
    """Exit code and output of the program, sent a signal as soon as `ready`."""
    command = [sys.executable, "-m", "acestep_core", *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        end = time.monotonic() + 120
        while not ready() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(number)
        printed = process.communicate(timeout=120)[0]
    return process.returncode, printed


def adapter(run: Path) -> dict[str, torch.Tensor]:
    (file,) = (run / "adapter").glob("*.safetensors")
    return load_file(file)


def assert_same_outcome(run: Path, whole: Path) -> None:
    ours, theirs = adapter(run), adapter(whole)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert steps(run) == steps(whole)
    assert [s for s, *_ in steps(run)] == list(range(1, STEPS + 1))


def steps(run: Path) -> list[tuple]:
    return [(r["step"], r["loss"], r["lr"], r["grad_norm"], r["t"]) for r in Run(run).metrics() if r["event"] == "step"]


def test_a_killed_encode_goes_on_and_ends_with_the_same_bytes(songs, tiny, cli, tmp_path):
    args = ["encode", songs, "--model", tiny, "-o", "device=cpu", "--json", "--out"]
    whole, out = tmp_path / "whole", tmp_path / "killed"
    assert cli(*args, whole).code == 0
    code, _ = interrupted([*args, out], lambda: any(out.glob("*.safetensors")), signal.SIGKILL)
    done = {p.name: p.stat().st_mtime_ns for p in out.glob("*.safetensors")}
    assert code == -signal.SIGKILL and 0 < len(done) < len(SONGS) and not (out / "manifest.json").exists()
    (out / f".{'0' * 12}.safetensors.tmp").write_bytes(b"half a song")

    told = json.loads(cli(*args, out).out)
    assert (len(told["kept"]), len(told["encoded"])) == (len(done), len(SONGS) - len(done))
    assert {name: (out / name).stat().st_mtime_ns for name in done} == done
    listed = [s["file"] for s in json.loads((out / "manifest.json").read_text())["songs"]]
    assert len(set(listed)) == len(SONGS) and not any(name.startswith(".") for name in listed)
    for name in [*listed, "manifest.json"]:
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_killed_training_goes_on_and_ends_with_the_same_adapter(encoded, tiny, cli, uninterrupted, tmp_path):
    out = tmp_path / "killed"
    args = ["train", encoded.folder, "--model", tiny, "--out", out, *TRAIN]
    code, _ = interrupted(args, lambda: len(Run(out).checkpoints()) == 2, signal.SIGKILL)
    assert code == -signal.SIGKILL and not Run(out).adapter.exists()
    last = Run(out).checkpoints()[-1][0]
    with (out / "metrics.jsonl").open("a") as f:  # what a kill two steps later, in the middle of a line, leaves
        f.write(json.dumps({"event": "step", "step": last + 1, "loss": 0.0, "t": [0.5], "losses": [0.0]}))
        f.write('\n{"event": "step", "st')
    ended = cli(*args)
    assert ended.code == 0 and f"Going on after step {last}" in ended.err
    assert_same_outcome(out, uninterrupted)


def test_ctrl_c_ends_with_130_and_a_checkpoint_of_the_step_it_stopped_at(stopped):
    out, code, printed = stopped
    last = steps(out)[-1][0]
    assert code == 130 and last < STEPS and not Run(out).adapter.exists()
    assert f"Stopped after step {last} of {STEPS}; the same command goes on from there." in printed
    assert Run(out).checkpoints()[-1][0] == last
    assert (Run(out).checkpoints()[-1][1] / "state.safetensors").is_file()


def test_a_stopped_training_goes_on_and_ends_the_same_way(stopped, encoded, tiny, cli, uninterrupted, tmp_path):
    out = Path(shutil.copytree(stopped[0], tmp_path / "run"))
    last = steps(out)[-1][0]
    ended = cli("train", encoded.folder, "--model", tiny, "--out", out, *TRAIN)
    assert ended.code == 0 and f"Going on after step {last}" in ended.err
    assert_same_outcome(out, uninterrupted)


def test_other_settings_in_the_same_folder_are_refused_and_listed(stopped, encoded, tiny, cli, tmp_path):
    out = Path(shutil.copytree(stopped[0], tmp_path / "run"))
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    other = ("--learning-rate", "0.5", "--seed", "7", "--sampler", "uniform", "-o", "factor=4")
    ended = cli("train", encoded.folder, "--model", tiny, "--out", out, *TRAIN, *other)
    assert ended.code == 1 and "holds an unfinished run with other settings" in ended.err
    for line in ("train.learning_rate: there ", "train.seed: there 42, now 7", "sampler.name: there 'logit_normal@",
                 "adapter.factor: there "):  # fmt: skip
        assert line in ended.err
    assert "give another --out" in ended.err and "train.steps" not in ended.err
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_another_save_interval_may_be_used_to_go_on(stopped, encoded, tiny, cli, uninterrupted, tmp_path):
    out = Path(shutil.copytree(stopped[0], tmp_path / "run"))
    args = [STEPS if a == str(STEPS) else "0" if a == "3" else a for a in TRAIN]
    assert cli("train", encoded.folder, "--model", tiny, "--out", out, *args).code == 0
    assert_same_outcome(out, uninterrupted)


def test_a_finished_run_is_refused_and_left_as_it_is(uninterrupted, encoded, tiny, cli):
    before = {p: p.read_bytes() for p in uninterrupted.rglob("*") if p.is_file()}
    ended = cli("train", encoded.folder, "--model", tiny, "--out", uninterrupted, *TRAIN)
    assert ended.code == 1 and "is finished" in ended.err and "give another --out" in ended.err
    assert {p: p.read_bytes() for p in uninterrupted.rglob("*") if p.is_file()} == before


def test_a_folder_that_holds_something_else_is_refused(encoded, tiny, cli, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    ended = cli("train", encoded.folder, "--model", tiny, "--out", tmp_path, *TRAIN)
    assert ended.code == 1 and "is not empty and holds no run" in ended.err
    ended = cli("train", encoded.folder, "--model", tiny, "--out", tmp_path / "thesis.txt", *TRAIN)
    assert ended.code == 1 and "is a file" in ended.err
