"""Training in two processes: the same as in one with twice the batches a step, stopped and gone on with to the byte."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import pytest
from safetensors.torch import load_file

from acestep_core import TrainSettings, UserError, train
from acestep_core.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
SCRIPT = Path(__file__).parents[1] / "two_processes.py"
COMMON = {"steps": 6, "learning_rate": 3e-3, "validate_every": 3}
# An epoch has 7 songs: 4 steps of 2, 2, 2 and 1 batches; steps of 6 and 1; and steps of 2 and 2 padded batches.
LORA = {"adapter": "lora", "options": {"adapter": {"rank": 4, "dropout": 0.1}}}
ADAPTIVE = {"sampler": "adaptive", "settings": COMMON | {"ema": 0.9, "null_condition": 0.3}}
KINDS = {
    "lora": LORA | ADAPTIVE,
    "lora-remainder": LORA | {"settings": COMMON | {"steps": 4, "accumulation": 3}},
    "lokr": {"adapter": "lokr"} | ADAPTIVE,
    "full": {"adapter": "full", "settings": COMMON | {"optimizer": "adafactor", "ema": 0.9}},
    "lokr-padded": {"adapter": "lokr", "settings": COMMON | {"batch_size": 2, "loss_weight": "min_snr"}},
}
SLOW = """
import time
from acestep_core import hookimpl
@hookimpl
def acestep_loss(prediction, target, t, batch):
    time.sleep(0.3)
"""


@dataclass(frozen=True)
class Together:
    """A folder of runs, and how the processes ended that made them."""

    folder: Path
    code: int
    err: str


@pytest.fixture(scope="module")
def repeated(encoded, tmp_path_factory):
    """The encoded songs: one held out, one four times an epoch, one three times at half the weight."""
    folder = Path(shutil.copytree(encoded.folder, tmp_path_factory.mktemp("repeated") / "encoded"))
    manifest = json.loads((folder / "manifest.json").read_text())
    for song, said in zip(
        manifest["songs"], ({"repeats": 4}, {"repeats": 3, "weight": 0.5}, {"split": "validation"}), strict=True
    ):
        song.update(said)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, repeated, tiny):
    """The run 'lora', begun by the command and ended by SIGTERM while it was at it, and a copy of what that left."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "slow.py").write_text(SLOW)
    settings = [f"--{k.replace('_', '-')}={v}" for k, v in KINDS["lora"]["settings"].items()]
    command = [
        *TORCHRUN, "-m", "acestep_core", "train", repeated, "--model", tiny, "--out", "run", "--plugin", "slow.py",
        "--adapter=lora", "-o", "rank=4", "-o", "adapter.dropout=0.1", "--sampler=adaptive",
        "-o", "backend.device=cpu", "-o", "backend.dtype=float32", *settings,
    ]  # fmt: skip
    process = subprocess.Popen(list(map(str, command)), cwd=folder, text=True, stdout=PIPE, stderr=PIPE)
    metrics = folder / "run" / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and '"step": 2,' in metrics.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=600)
    assert "2 processes train together" in err and err.count("Training: 2 songs") == 1, err
    assert out.count("Stopped after step") == 1
    return folder / "run", Path(shutil.copytree(folder / "run", folder / "copy"))


@pytest.fixture(scope="module")
def together(stopped, repeated, tiny, tmp_path_factory):
    """Every kind trained in two processes, the stopped run gone on with, and then one in which the second fails."""
    folder = tmp_path_factory.mktemp("together")
    runs = {str(folder / name): given for name, given in KINDS.items()} | {str(stopped[0]): KINDS["lora"]}
    plan = {"model": str(tiny), "encoded": str(repeated), "runs": runs, "failing": str(folder / "failing")}
    ended = subprocess.run([*TORCHRUN, SCRIPT, json.dumps(plan)], capture_output=True, text=True, timeout=600)
    assert (folder / "failing").is_dir(), ended.stderr
    return Together(folder, ended.returncode, ended.stderr)


def alone(encoded, repeated, out, kind, **changes):
    """The same in this process."""
    given = KINDS[kind]
    settings = TrainSettings(**{**given["settings"], **changes})
    return train(repeated, encoded.model, out=out, **{**given, "settings": settings})


def weights(folder):
    return load_file(next(folder.glob("*.safetensors")))


def furthest(ours, theirs):
    assert ours.keys() == theirs.keys()
    return max((ours[k] - theirs[k]).abs().max().item() for k in theirs)


def records(folder, event):
    return [r for r in Run(folder).metrics() if r["event"] == event]


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_what_one_does_with_twice_the_batches_a_step(kind, together, encoded, repeated, tmp_path):
    batches = 2 * KINDS[kind]["settings"].get("accumulation", 1)
    one = alone(encoded, repeated, tmp_path / "one", kind, accumulation=batches)
    two = together.folder / kind
    assert furthest(weights(two / "adapter"), weights(one.adapter)) <= 1e-6
    learnt = ("lora_B", "lokr_w2", "diff")
    moved = max(v.abs().max().item() for k, v in weights(one.adapter).items() if any(part in k for part in learnt))
    assert moved > 1e-3
    for ours, theirs in zip(records(two, "step"), records(one.run.folder, "step"), strict=True):
        assert ours["t"] == pytest.approx(theirs["t"], abs=1e-6) and ours["epoch"] == theirs["epoch"]
        assert ours["losses"] == pytest.approx(theirs["losses"], abs=1e-5)
    for event in ("grid", "validation"):
        ours, theirs = ([r["loss"] for r in records(f, event)] for f in (two, one.run.folder))
        assert len(ours) > 1 and ours == pytest.approx(theirs, abs=1e-5)


def test_only_the_first_process_writes_and_is_watched(together):
    for kind, given in KINDS.items():
        steps = list(range(1, given["settings"]["steps"] + 1))
        assert [r["step"] for r in records(together.folder / kind, "step")] == steps
        heard = [json.loads((together.folder / f"{kind}-heard-{rank}.json").read_text()) for rank in range(2)]
        assert heard == [steps, []]
        settings = Run(together.folder / kind).settings()
        assert settings["processes"] == {"count": 2}
        assert settings["train"]["accumulation"] == given["settings"].get("accumulation", 1)


def test_a_run_ended_by_sigterm_and_gone_on_with_has_the_bytes_of_one_without_a_stop(stopped, together):
    run, copy = stopped
    ((step, _),) = Run(copy).checkpoints()[-1:]
    assert 0 < step < COMMON["steps"] and [r["step"] for r in records(copy, "step")][-1] == step
    straight = together.folder / "lora"
    for name in ("adapter", "checkpoints/step-000006"):
        for path in sorted((straight / name).iterdir()):
            assert (run / name / path.name).read_bytes() == path.read_bytes(), path
    assert [r["losses"] for r in records(run, "step")] == [r["losses"] for r in records(straight, "step")]


def test_another_number_of_processes_goes_on_if_as_many_batches_make_a_step(stopped, together, encoded, repeated):
    copy = stopped[1]
    with pytest.raises(UserError, match="accumulation: there 1 in each of 2 processes, now 1 in one process"):
        alone(encoded, repeated, copy, "lora")
    resumed = alone(encoded, repeated, copy, "lora", accumulation=2)
    assert 0 < resumed.resumed_from < resumed.step == COMMON["steps"]
    assert furthest(weights(resumed.adapter), weights(together.folder / "lora" / "adapter")) <= 1e-6


def test_an_error_in_one_process_ends_both_at_once_and_is_told_once(together):
    assert together.code == 1
    assert together.err.count("Error: Process 1 of 2 failed: This song cannot be used\n  leave it out") == 1
    assert together.err.count("This song cannot be used") == 1
    assert [step for step, _ in Run(together.folder / "failing").checkpoints()] == [2]
    codes = [line.split()[2] for line in together.err.splitlines() if line.strip().startswith("exitcode")]
    assert set(codes) == {"1"}
