"""What keeps PyTorch from a GPU that is there, and the command that mends it."""

import pytest
from broken_machines import machine, nvidia, plug_in, write

from acestep_core.machine import drivers
from acestep_core.machine.gpus import find_gpus
from acestep_core.machine.probe import Torch

CPU = Torch(version="2.14.1+cpu")
CUDA = Torch(version="2.14.1", cuda="13.0")
WORKS = Torch(version="2.14.1", cuda="13.0", sees=["cuda"], archs=["sm_75", "sm_80", "sm_120a"], capabilities=[[8, 9]])


def nvidia_of(root, **given):
    probe = machine(root, **given)
    return list(drivers.check_nvidia(probe, find_gpus(probe)))


def told(troubles):
    troubles = list(troubles)
    assert all(t.mend and "\n" not in t.problem for t in troubles)
    return [t.problem for t in troubles]


def test_a_healthy_machine_has_nothing_to_mend(tmp_path):
    assert nvidia_of(tmp_path, torch=CPU) == []
    nvidia(tmp_path)
    assert nvidia_of(tmp_path, torch=WORKS) == []


def test_a_torch_for_the_cpu_beside_a_gpu(tmp_path):
    nvidia(tmp_path)
    (trouble,) = nvidia_of(tmp_path, torch=CPU)
    assert "2.14.1+cpu is a build without CUDA, beside the NVIDIA GPU" in trouble.problem and trouble.serious
    assert trouble.mend.startswith('pip install --force-reinstall "torch<') and "--index-url" not in trouble.mend
    (trouble,) = nvidia_of(tmp_path, torch=CPU, system="win32", programs={"nvidia-smi": "RTX, 580.1, 8188"})
    assert "--index-url" in trouble.mend


def test_an_old_driver_gets_a_torch_that_it_can_run(tmp_path):
    nvidia(tmp_path, "535.129.03")
    (trouble,) = nvidia_of(tmp_path, torch=CPU)
    assert "CUDA 12.6" in trouble.mend
    (trouble,) = nvidia_of(tmp_path, torch=CUDA)
    assert trouble.problem == (
        "The NVIDIA driver 535.129.03 is too old for CUDA 13.0, for which PyTorch 2.14.1 is built: "
        "that needs 580 or newer"
    )
    assert "CUDA 12.6" in trouble.mend
    write(tmp_path, ".dockerenv")
    assert nvidia_of(tmp_path, torch=CUDA)[0].mend.startswith("update the driver of the machine around")
    assert nvidia_of(tmp_path, torch=Torch(version="2.9.0", cuda="12.6", sees=["cuda"])) == []


@pytest.mark.parametrize(
    ("path", "text", "command"),
    [
        ("etc/os-release", 'NAME="Ubuntu"\nID=ubuntu\n', "sudo ubuntu-drivers install"),
        ("etc/os-release", 'ID=linuxmint\nID_LIKE="ubuntu debian"\n', "sudo ubuntu-drivers install"),
        ("etc/os-release", "ID=fedora\n", "sudo dnf install akmod-nvidia"),
        ("etc/os-release", "ID=plan9\n", "install NVIDIA's newest driver"),
        (".dockerenv", "", "docker run --gpus all ...  # this container has no GPU"),
    ],
)
def test_a_missing_driver(tmp_path, path, text, command):
    nvidia(tmp_path, None)
    write(tmp_path, path, text)
    (trouble,) = nvidia_of(tmp_path, torch=CUDA)
    assert "no driver for it" in trouble.problem and trouble.mend == command
    assert len(nvidia_of(tmp_path, torch=CPU)) == 2  # the build lacks CUDA as well
    assert len(nvidia_of(tmp_path, broken={"torch": "gone"})) == 1


def test_a_gpu_that_is_not_seen(tmp_path):
    nvidia(tmp_path)
    (trouble,) = nvidia_of(tmp_path, torch=CUDA, environment={"CUDA_VISIBLE_DEVICES": ""})
    assert trouble.mend == "unset CUDA_VISIBLE_DEVICES"
    (trouble,) = nvidia_of(tmp_path, torch=CUDA, environment={"CUDA_VISIBLE_DEVICES": "0"})
    assert "does not see" in trouble.problem and trouble.mend.startswith("nvidia-smi")


def test_a_torch_that_sees_a_gpu_is_for_that_one(tmp_path):
    """An old driver may have CUDA's own packages for newer ones, and a second card of another maker is no mistake."""
    nvidia(tmp_path, "535.129.03")
    plug_in(tmp_path, "0000:03:00.0", "0x1002", mem_info_vram_total="17163091968")
    assert nvidia_of(tmp_path, torch=WORKS) == []
    for torch in (WORKS, Torch(version="2.14.1", hip="7.0", sees=["cuda"])):
        probe = machine(tmp_path, torch=torch)
        assert [t for c in (drivers.check_nvidia, drivers.check_amd) for t in c(probe, find_gpus(probe))] == []
    probe = machine(tmp_path, torch=CPU)
    both = [t for c in (drivers.check_nvidia, drivers.check_amd) for t in c(probe, find_gpus(probe))]
    assert len(both) == 2 and drivers.usable(WORKS) == {"NVIDIA"}


def test_a_gpu_older_than_the_build(tmp_path):
    nvidia(tmp_path)
    old = Torch(version="2.14.1", cuda="13.0", sees=["cuda"], archs=WORKS.archs, capabilities=[[6, 1], [6, 1]])
    (trouble,) = nvidia_of(tmp_path, torch=old)
    assert "no kernels for a GPU of compute capability 6.1" in trouble.problem and "CUDA 12.6" in trouble.mend


@pytest.mark.parametrize(
    ("torch", "kfd", "problem"),
    [
        (CPU, True, "build without ROCm"),
        (CUDA, True, "build without ROCm"),
        (Torch(version="2.14.1", hip="7.0"), False, "no /dev/kfd"),
        (Torch(version="2.14.1", hip="7.0"), True, "cannot reach"),
        (Torch(version="2.14.1", hip="7.0", sees=["cuda"]), True, ""),
    ],
)
def test_amd(tmp_path, torch, kfd, problem):
    plug_in(tmp_path, "0000:03:00.0", "0x1002", mem_info_vram_total="17163091968")
    if kfd:
        write(tmp_path, "dev/kfd")
    probe = machine(tmp_path, torch=torch)
    found = told(drivers.check_amd(probe, find_gpus(probe)))
    assert len(found) == bool(problem) and all(problem in f for f in found)


def test_amd_that_may_be_integrated_costs_no_exit_code(tmp_path):
    plug_in(tmp_path, "0000:03:00.0", "0x1002")
    probe = machine(tmp_path, torch=CPU)
    assert [t.serious for t in drivers.check_amd(probe, find_gpus(probe))] == [False]


@pytest.mark.parametrize(
    ("torch", "problem"),
    [
        (CPU, "build without XPU"),
        (Torch(version="2.14.1", xpu="2025.2"), "has XPU and does not see"),
        (Torch(version="2.14.1", xpu="2025.2", sees=["xpu"]), ""),
    ],
)
def test_intel(tmp_path, torch, problem):
    plug_in(tmp_path, "0000:03:00.0", "0x8086")
    probe = machine(tmp_path, torch=torch)
    found = told(drivers.check_intel(probe, find_gpus(probe)))
    assert len(found) == bool(problem) and all(problem in f for f in found)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"arch": "arm64", "torch": Torch(version="2.14.1", mps=True, sees=["mps"])}, ""),
        ({"arch": "arm64", "torch": Torch(version="2.14.1", mps=True)}, "does not see this Mac's GPU"),
        ({"arch": "arm64", "torch": CPU}, "without MPS"),
        ({"programs": {"sysctl": "1"}}, "translated"),
        ({}, ""),
    ],
)
def test_apple(tmp_path, given, problem):
    probe = machine(tmp_path, system="darwin", **given)
    found = told(drivers.check_apple(probe, find_gpus(probe)))
    assert len(found) == bool(problem) and all(problem in f for f in found)


def test_settings_that_leave_the_gpu_idle_are_advice(tmp_path):
    seen = machine(tmp_path, torch=Torch(version="2.14.1", mps=True, sees=["mps"]))
    (trouble,) = drivers.check_device(seen, {"device": "cpu"})
    assert not trouble.serious and "PyTorch could use mps" in trouble.problem
    assert not list(drivers.check_device(seen, {"device": "mps"}))
    assert not list(drivers.check_device(machine(tmp_path, torch=CPU), {"device": "cpu"}))
