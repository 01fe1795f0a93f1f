"""GPUs are found without PyTorch."""

import pytest
from broken_machines import machine, nvidia, plug_in, write

from acestep_core.machine.gpus import Gpu, find_gpus

SMI = "NVIDIA GeForce RTX 4060, 550.54.15, 8188\n"


def found(*args, **kwargs):
    return find_gpus(machine(*args, **kwargs))


def test_a_machine_without_any(tmp_path):
    plug_in(tmp_path, "0000:00:1f.0", "0x8086", "0x060100")  # a bridge
    plug_in(tmp_path, "0000:02:00.0", "0x10de", "0x040300")  # the sound of a card
    assert found(tmp_path) == [] == found(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "line",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.129.03  Release Build",
    ],
)
def test_nvidia_and_its_driver(tmp_path, line):
    nvidia(tmp_path, None)
    assert found(tmp_path)[0].driver is None
    write(tmp_path, "proc/driver/nvidia/version", f"{line}\nGCC version: gcc 12")
    assert found(tmp_path) == [Gpu("NVIDIA", "NVIDIA GPU at 0000:01:00.0", "535.129.03")]


def test_nvidia_smi_knows_more_and_counts_once(tmp_path):
    nvidia(tmp_path)
    plug_in(tmp_path, "0000:03:00.0", "0x1002", mem_info_vram_total="17163091968")
    names = [(g.maker, g.name, g.memory) for g in found(tmp_path, programs={"nvidia-smi": SMI})]
    assert names == [("NVIDIA", "NVIDIA GeForce RTX 4060", 8188 * 2**20),
                     ("AMD", "AMD GPU at 0000:03:00.0", 17163091968)]  # fmt: skip


@pytest.mark.parametrize("said", ["NVIDIA-SMI has failed because it could not communicate\n", "No devices found\n", ""])
def test_what_nvidia_smi_says_instead_of_a_list_is_no_gpu(tmp_path, said):
    assert found(tmp_path, programs={"nvidia-smi": said}) == []


def test_integrated_graphics_are_left_out(tmp_path):
    plug_in(tmp_path, "0000:00:02.0", "0x8086")
    plug_in(tmp_path, "0000:05:00.0", "0x1002", mem_info_vram_total="536870912")
    assert found(tmp_path) == []
    plug_in(tmp_path, "0000:03:00.0", "0x8086", "0x038000")
    assert [(g.maker, g.driver) for g in found(tmp_path)] == [("Intel", None)]


def test_accelerators_and_their_drivers(tmp_path):
    plug_in(tmp_path, "0000:03:00.0", "0x1002", "0x120000")
    plug_in(tmp_path, "0000:04:00.0", "0x8086", "0x030000")
    write(tmp_path, "dev/kfd")
    write(tmp_path, "sys/module/xe/version")
    assert [(g.maker, g.driver) for g in found(tmp_path)] == [("AMD", "amdgpu"), ("Intel", "xe")]


def test_windows_lists_its_own(tmp_path):
    listed = "Intel(R) UHD Graphics 770|31.0\nAMD Radeon RX 7900 XTX|32.0\nIntel(R) Arc(TM) A770 Graphics|32.1\n"
    names = [g.maker for g in found(tmp_path, system="win32", programs={"powershell": listed})]
    assert names == ["AMD", "Intel"]
    both = {"powershell": "NVIDIA GeForce RTX 4060|32.0.15", "nvidia-smi": SMI}
    assert [g.driver for g in found(tmp_path, system="win32", programs=both)] == ["550.54.15"]


def test_apple(tmp_path):
    assert [g.maker for g in found(tmp_path, system="darwin", arch="arm64")] == ["Apple"]
    assert found(tmp_path, system="darwin") == []
    assert [g.maker for g in found(tmp_path, system="darwin", programs={"sysctl": "1\n"})] == ["Apple"]
