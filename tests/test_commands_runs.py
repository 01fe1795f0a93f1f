"""acestep-core runs: from run folders to tables, JSON and pictures."""

import json
from pathlib import Path

import pytest
from matplotlib.image import imread
from synthetic_run import write_run

from acestep_core import TrainSettings, train


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two runs with different rates; the second learns faster and is unfinished."""
    return [
        write_run(tmp_path / "slow", loss=lambda step, t: 2 - 0.02 * step + t),
        write_run(tmp_path / "fast", steps=15, finished=False, train={"learning_rate": 0.01},
                  loss=lambda step, t: 2 - 0.05 * step + t),
    ]  # fmt: skip


def test_runs_compare_shows_losses_settings_and_what_is_unfinished(cli, folders):
    ended = cli("runs", "compare", *folders)
    assert ended.code == 0 and ended.err == ""
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[0] == "slow fast"
    for line in (
        "steps done 20 15", "seconds per step 2.0000 2.0000", "loss, last tenth 2.1100 1.7500",
        "fixed-noise loss before 2.0000 2.0000", "fixed-noise loss after 1.0000 -", "loss at t 0.0 to 0.1 - -",
        "loss at t 0.2 to 0.3 2.0400 1.8500", "train.learning_rate 0.001 0.01",
        "note: fast is unfinished: step 15 of 20",
    ):  # fmt: skip
        assert line in lines


def test_runs_compare_says_when_nothing_differs(cli, tmp_path):
    ended = cli("runs", "compare", write_run(tmp_path / "a"), write_run(tmp_path / "b"))
    assert "All settings are the same." in ended.out and "note:" not in ended.out


def test_runs_compare_as_json_says_the_same(cli, folders):
    told = json.loads(cli("runs", "compare", *folders, "--json").out)
    slow, fast = told["runs"]
    assert (slow["name"], slow["finished"], fast["step"], fast["steps"]) == ("slow", True, 15, 20)
    assert slow["loss_by_t"][2] == pytest.approx(2.04) and slow["loss_by_t"][0] is None
    assert told["differences"] == {"train.learning_rate": [0.001, 0.01]} and len(told["notes"]) == 1


def test_runs_compare_draws_every_run(cli, folders, tmp_path):
    ended = cli("runs", "compare", *folders, "-o", tmp_path / "losses.png")
    assert ended.code == 0 and "drawn: " in ended.out
    pixels = imread(tmp_path / "losses.png")
    assert pixels.shape[0] > 500 and pixels.shape[1] > 1000
    for colour in ("0072b2", "d55e00"):
        wanted = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        assert (abs(pixels[..., :3] - wanted).max(axis=-1) < 0.01).sum() > 500


def test_runs_compare_draws_runs_with_one_step_and_none(cli, tmp_path):
    runs = [write_run(tmp_path / f"_{n} $run", steps=n, finished=False) for n in (0, 1, 2)]
    ended = cli("runs", "compare", *runs, "-o", tmp_path / "few.svg")
    assert ended.code == 0 and "_0 $run has no step yet" in ended.out
    drawing = (tmp_path / "few.svg").read_text()
    assert all(f"_{n} $run" in drawing.replace("\\$", "$") for n in (0, 1, 2))


def test_runs_of_one_name_are_told_apart_by_their_paths(cli, tmp_path):
    runs = [write_run(tmp_path / side / "run") for side in ("left", "right")]
    told = json.loads(cli("runs", "compare", *runs, "--json").out)
    assert [r["name"] for r in told["runs"]] == [str(r) for r in runs]


def test_runs_compare_refuses_with_one_sentence(cli, folders, tmp_path):
    ended = cli("runs", "compare", folders[0], tmp_path)
    assert ended.code == 1 and ended.err.startswith("Error: ") and "holds no run" in ended.err and ended.out == ""
    assert cli("runs", "compare", folders[0]).code == 2
    ended = cli("runs", "compare", *folders, "-o", tmp_path / "a.jpg")
    assert ended.code == 1 and ".png" in ended.err
    ended = cli("runs", "compare", *folders, "-o", tmp_path / "gone" / "a.png")
    assert ended.code == 1 and "There is no folder" in ended.err


def test_runs_list_shows_every_run_below_a_folder(cli, folders, tmp_path):
    ended = cli("runs", "list", tmp_path)
    rows = [line.split() for line in ended.out.splitlines()[2:]]
    assert ended.code == 0 and [r[1:] for r in rows] == [
        ["15", "20", "lokr", "uniform", "1.7500", "-", "no"], ["20", "20", "lokr", "uniform", "2.1000", "-", "yes"]
    ]  # fmt: skip
    told = json.loads(cli("runs", "list", tmp_path, "--json").out)["runs"]
    assert [Path(r["run"]) for r in told] == folders[::-1] and told[1]["adapter"] == "lokr@acestep-core"


def test_runs_list_goes_on_past_a_damaged_run_and_names_it(cli, folders, tmp_path):
    (folders[0] / "run.toml").write_text("=")
    ended = cli("runs", "list", tmp_path)
    assert ended.code == 1 and "fast" in ended.out and "slow" in ended.err and "damaged" in ended.err


def test_runs_compare_reads_what_train_writes(cli, encoded, tmp_path):
    settings = TrainSettings(steps=3, learning_rate=1e-3)
    for sampler in ("uniform", "turbo_steps"):
        train(encoded.folder, encoded.model, sampler=sampler, out=tmp_path / sampler, settings=settings)
    told = json.loads(cli("runs", "compare", tmp_path / "uniform", tmp_path / "turbo_steps", "--json").out)
    assert all(r["finished"] and r["step"] == 3 and r["grid_loss_after"] for r in told["runs"])
    assert "sampler.name" in told["differences"] and "samplers differ" in told["notes"][0]
