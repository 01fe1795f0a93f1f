"""What is told about runs follows from their files by arithmetic."""

import math
from pathlib import Path

import pytest
from synthetic_run import write_run

from acestep_core import UserError
from acestep_core.comparison import T_BINS, differences, find_runs, read_run, remarks, smoothed


def test_the_loss_is_told_by_timestep(tmp_path: Path):
    folder = write_run(tmp_path / "run", t=lambda step: (0.0, 0.05, 0.31, 1.0), loss=lambda step, t: 10 * t + step % 2)
    by_t = read_run(folder).by_t
    assert len(by_t) == T_BINS and [i for i, b in enumerate(by_t) if b is not None] == [0, 3, 9]
    assert by_t[0] == pytest.approx(0.25 + 0.5) and by_t[3] == pytest.approx(3.6) and by_t[9] == pytest.approx(10.5)


def test_the_last_tenth_is_the_mean_of_the_last_steps(tmp_path: Path):
    falling = read_run(write_run(tmp_path / "a", steps=40, loss=lambda step, t: 100 - step))
    assert falling.last_tenth == pytest.approx((63 + 62 + 61 + 60) / 4)
    assert read_run(write_run(tmp_path / "b", steps=3, loss=lambda step, t: step)).last_tenth == 3


def test_a_pause_does_not_count_in_the_seconds_per_step(tmp_path: Path):
    folder = write_run(tmp_path / "run", seconds=lambda step: 0.5 * step + (9000 if step > 10 else 0))
    assert read_run(folder).step_s == pytest.approx(0.5)


def test_fixed_noise_losses_are_told_as_before_and_after(tmp_path: Path):
    whole = read_run(write_run(tmp_path / "whole", grid=[(0, 3.0), (20, 2.5)]))
    assert (whole.grid_before, whole.grid_after) == (3.0, 2.5)
    stopped = read_run(write_run(tmp_path / "stopped", steps=5, finished=False, grid=[(0, 3.0), (20, 2.5)]))
    assert (stopped.grid_before, stopped.grid_after) == (3.0, None)


def test_a_run_without_a_step_is_read_and_said_so(tmp_path: Path):
    empty, whole = read_run(write_run(tmp_path / "empty", steps=0, finished=False)), read_run(write_run(tmp_path / "w"))
    assert empty.step == 0 and empty.steps == 20 and empty.by_t == (None,) * T_BINS
    assert empty.last_tenth is empty.grid_before is empty.step_s is None
    assert remarks([whole, empty]) == ["empty has no step yet"]


def test_a_line_cut_off_by_a_kill_is_passed_over(tmp_path: Path):
    folder = write_run(tmp_path / "run", steps=4, finished=False)
    with (folder / "metrics.jsonl").open("a") as f:
        f.write('{"event": "step", "st')
    assert read_run(folder).step == 4


def test_an_unfinished_run_is_said_so(tmp_path: Path):
    runs = [read_run(write_run(tmp_path / "a")), read_run(write_run(tmp_path / "b", steps=7, finished=False))]
    assert remarks(runs) == ["b is unfinished: step 7 of 20"]


def test_settings_that_differ_are_listed_by_table_and_key_and_equal_ones_are_not(tmp_path: Path):
    runs = [
        read_run(write_run(tmp_path / "a", train={"learning_rate": 1e-3})),
        read_run(write_run(tmp_path / "b", train={"learning_rate": 1e-4}, backend={"dtype": "float32"})),
        read_run(write_run(tmp_path / "c", train={"learning_rate": 1e-3})),
    ]
    assert differences(runs) == {"train.learning_rate": [1e-3, 1e-4, 1e-3], "backend.dtype": [None, "float32", None]}
    assert differences(runs[::2]) == {} and remarks(runs) == []


@pytest.mark.parametrize(
    "table, other, said",
    [
        ("data", {"songs": ["three"]}, "songs differ"),
        ("model", {"hash": "bbb"}, "models differ"),
        ("sampler", {"name": "logit_normal@acestep-core"}, "samplers differ"),
        ("plugins", {"acestep_loss": "own.py sha256:1"}, "computed by different code"),
    ],
)
def test_what_makes_losses_incomparable_is_said(tmp_path: Path, table, other, said):
    runs = [read_run(write_run(tmp_path / "a")), read_run(write_run(tmp_path / "b", **{table: other}))]
    (note,) = remarks(runs)
    assert said in note


@pytest.mark.parametrize("window", [0, 1, 4, 5, 100])
def test_smoothing_keeps_the_length_and_a_constant_and_the_middle_of_a_line(window):
    assert smoothed([2.0] * 9, window) == [2.0] * 9
    line = smoothed([float(i) for i in range(9)], window)
    assert len(line) == 9 and line[4] == pytest.approx(4.0)


def test_smoothing_takes_noise_away():
    wave = [math.sin(i) for i in range(300)]
    assert max(map(abs, smoothed(wave, 44)[30:-30])) < 0.1


def test_runs_are_found_at_any_depth_and_in_the_folder_itself(tmp_path: Path):
    folders = [write_run(tmp_path / name) for name in ("a", "b", "nested/deep/c")]
    assert find_runs(tmp_path) == folders and find_runs(folders[0]) == [folders[0]]


def test_what_is_no_run_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="holds no run"):
        read_run(tmp_path)
    with pytest.raises(UserError, match="There is no run in"):
        find_runs(tmp_path)
    with pytest.raises(UserError, match="There is no folder"):
        find_runs(tmp_path / "gone")


@pytest.mark.parametrize(
    "file, text", [("run.toml", "a ="), ("run.toml", "[train]\nsteps = 1\n"), ("metrics.jsonl", '{"a": 1}\n')]
)
def test_a_damaged_run_is_told(tmp_path: Path, file, text):
    folder = write_run(tmp_path / "run")
    (folder / file).write_text(text)
    with pytest.raises(UserError, match="damaged"):
        read_run(folder)
