"""Which GPU each process trains on. What they exchange is tested in test_training_processes.py."""

import pytest
import torch

from acestep_core import UserError
from acestep_plugins.backends.pt import device, exchange


@pytest.fixture
def four_gpus(monkeypatch):
    monkeypatch.setattr(device, "_available", lambda: ["cuda", "cpu"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def started_as(monkeypatch, local, count):
    told = {"RANK": local, "LOCAL_RANK": local, "WORLD_SIZE": count, "MASTER_ADDR": "here", "MASTER_PORT": 1}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize("said", ["auto", "cuda"])
def test_each_process_has_the_gpu_of_its_number_on_its_machine(said, four_gpus, monkeypatch):
    assert device.choose(said, "float32").device == torch.device("cuda")
    for local in range(4):
        started_as(monkeypatch, local, 8)
        assert device.choose(said, "float32").device == torch.device("cuda", local)
    assert device.choose("cpu", "float32").device == torch.device("cpu")
    assert device.choose("cuda:2", "float32").device == torch.device("cuda", 2)


def test_more_processes_than_gpus_are_told_how_many_there_are(four_gpus, monkeypatch):
    started_as(monkeypatch, 4, 8)
    with pytest.raises(UserError, match="4 cuda devices here, and none for process 4") as caught:
        device.choose("auto", "float32")
    assert "--nproc-per-node 4" in caught.value.hint


def test_two_processes_on_one_gpu_are_refused():
    here, there = ("one", "", "cuda:0"), ("two", "", "cuda:0")
    exchange.check_places([(), ()])
    exchange.check_places([here, there, ("one", "1", "cuda:0"), ("one", "", "cuda:1")])
    with pytest.raises(UserError, match="Processes 0 and 2 both train on cuda:0 of one"):
        exchange.check_places([here, there, here])
