"""`doctor` for whole machines: what it prints, what machines read, and how it ends."""

import json
import sys
from pathlib import Path

import pytest

from acestep_core.machine.probe import Probe, Torch
from acestep_core.machine.trouble import Trouble

sys.path.insert(0, str(Path(__file__).parent / "core" / "machine"))
from broken_machines import HEALTHY, machine, nvidia

CPU = Torch(version="2.14.1+cpu")


@pytest.fixture
def on(monkeypatch):
    """on(probe) puts the program onto a made-up machine."""
    return lambda probe: monkeypatch.setattr("acestep_core.commands.machine.Probe", lambda: probe)


def test_a_broken_machine_is_told_with_its_commands(cli, on, tmp_path):
    nvidia(tmp_path)
    smi = {"nvidia-smi": "NVIDIA GeForce RTX 4060, 580.65.06, 8188\n"}
    on(machine(tmp_path, torch=CPU, programs=smi, broken={"torchaudio": "OSError: libc10_cuda.so: cannot open"}))
    done = cli("doctor")
    assert done.code == 1, done.err
    assert "PyTorch 2.14.1+cpu; sees no GPU" in done.out and "NVIDIA GeForce RTX 4060, 8.59 GB" in done.out
    lines = done.out.splitlines()
    for problem in ("torchaudio 2.11.0 cannot be imported", "is a build without CUDA, beside the NVIDIA GeForce"):
        place = next(i for i, line in enumerate(lines) if problem in line)
        assert lines[place].startswith("problem: ") and lines[place + 1].startswith("  pip install")
    assert "RTX 4060, once it can be used, 8.59 GB: " in done.out and "with acestep-5Hz-lm-1.7B" in done.out


def test_a_machine_reads_the_same(cli, on, tmp_path):
    on(machine(tmp_path, torch=CPU, room=10**9))
    done = cli("doctor", "--json")
    told = json.loads(done.out)
    assert done.code == 1 and told["torch"]["version"] == "2.14.1+cpu" and told["gpus"] == []
    assert {Trouble(**t).check for t in told["troubles"]} == {"disk"} and all(t["mend"] for t in told["troubles"])
    (use,) = told["uses"]
    assert use["tier"]["backend"] == "pt" and use["tier"]["batch"] >= 1 or use["problem"]


def test_nothing_to_mend_ends_well_and_advice_does_too(cli, on, tmp_path):
    on(machine(tmp_path, torch=CPU))
    done = cli("doctor")
    assert done.code == 0 and "nothing to mend" in done.out and "because the model needs" in done.out
    settings = tmp_path / "settings.toml"
    settings.write_text('[backends.pt]\ndevice = "cpu"\n')
    on(machine(tmp_path, torch=Torch(version="2.14.1", mps=True, sees=["mps"])))
    done = cli("--config", settings, "doctor")
    assert done.code == 0 and "advice: The settings file has the work done by the CPU" in done.out


def test_a_torch_that_cannot_be_imported_is_no_traceback(cli, on, tmp_path):
    on(machine(tmp_path, broken={"torch": "ImportError: libtorch.so"}, packages=HEALTHY))
    done = cli("doctor")
    assert done.code == 1 and "PyTorch 2.14.1 cannot be imported: ImportError: libtorch.so" in done.out
    assert "at once" not in done.out and not done.err


def test_what_it_is_good_for_does_not_fail_with_the_rest(cli, on, tmp_path, monkeypatch):
    """Where torchaudio is broken, what the plan imports is too."""
    smi = {"nvidia-smi": "NVIDIA GeForce RTX 4060, 580.65.06, 8188\n"}
    on(machine(tmp_path, torch=CPU, programs=smi))

    def fail(*args, **kwargs):
        raise ImportError("libc10_cuda.so")

    monkeypatch.setattr("acestep_plugins.backends.pt.PyTorch.settings", fail)
    monkeypatch.setattr("acestep_plugins.backends.pt.PyTorch.demand", fail)
    done = cli("doctor")
    assert done.code == 1 and done.out.count("before the rest is mended (ImportError: libc10_cuda.so)") == 2


def test_a_card_that_is_not_there_can_be_asked_about(cli, on, tmp_path):
    on(machine(tmp_path, broken={"torch": "never asked"}))
    done = cli("doctor", "--vram", "8", "--vram", "24")
    assert done.code == 0 and "a GPU of 8 GB, 8.00 GB: " in done.out and "with acestep-5Hz-lm-4B" in done.out
    assert "int8" in cli("doctor", "--vram", "4").out
    small = cli("doctor", "--vram", "2", "--json")
    assert small.code == 1 and "needs at least" in json.loads(small.out)["uses"][0]["problem"]


@pytest.mark.slow
def test_this_machine_can_be_examined(cli):
    done = cli("doctor", "--json")
    told = json.loads(done.out)
    assert done.code == any(t["serious"] for t in told["troubles"]) and told["uses"]
    assert set(told["torch"]) == set(Probe().torch.__dataclass_fields__)
