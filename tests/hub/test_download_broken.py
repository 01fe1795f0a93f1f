"""models download when it is killed, cut off, sent something else, or the disk is full."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from fake_hub import MAIN, SAFE, files


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(("how", "code"), [("SIGKILL", -9), ("SIGINT", 130)])
def test_after_a_kill_it_goes_on_at_the_byte(hub, get, source, how, code):
    whole, sent_first = hub.repos[MAIN][SAFE], 70_000
    hub.hold[SAFE] = sent_first
    command = [sys.executable, "-m", "acestep_core", "models", "download", "vae", "--source", source]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, env={
        **os.environ, "HF_ENDPOINT": hub.url, "MODELSCOPE_ENDPOINT": hub.url, "NO_PROXY": "*"
    })  # fmt: skip
    assert hub.held.wait(60)
    folder = Path("models") / "vae"
    while not (left := list(folder.glob(".*.part"))) or left[0].stat().st_size < sent_first:
        assert running.poll() is None
    running.send_signal(getattr(signal, how))
    assert running.wait() == code
    hub.go_on.set()
    assert not (Path("models") / SAFE).exists() and left[0].read_bytes() == whole[:sent_first]
    done = get("vae", "--source", source)
    assert done.code == 0, done.err
    assert (Path("models") / SAFE).read_bytes() == whole and not list(folder.glob(".*.part"))
    assert hub.ranges(SAFE) == ["all", f"bytes={sent_first}-"]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, get):
    hub.cut[SAFE] = [40_000, 0, 50_000]
    assert get("vae").code == 0
    assert (Path("models") / SAFE).read_bytes() == hub.repos[MAIN][SAFE]
    assert hub.ranges(SAFE) == ["all", "bytes=40000-", "bytes=40000-", "bytes=90000-"]
    assert hub.served[SAFE] == len(hub.repos[MAIN][SAFE])


def test_a_hub_that_keeps_breaking_off_is_one_sentence_and_the_beginning_stays(hub, get):
    hub.cut[SAFE] = [40_000] + [0] * 50
    done = get("vae")
    assert done.code == 1 and f"breaks off {SAFE} after 40000 of" in done.err and "run it again" in done.err
    assert "Traceback" not in done.err and not (Path("models") / SAFE).exists()
    hub.cut.clear()
    assert get("vae").code == 0 and hub.served[SAFE] == len(hub.repos[MAIN][SAFE])


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "breaks off"),
        (bytes(50_000), "breaks off"),
        (bytes(200_000), "sends more of"),
        (bytes(120_078), "arrived broken"),
    ],
)
def test_another_file_than_announced_is_one_sentence_and_is_never_taken(hub, get, sent, said):
    assert len(hub.repos[MAIN][SAFE]) == 120_078
    hub.instead[SAFE] = sent
    done = get("vae")
    assert done.code == 1 and said in done.err and SAFE in done.err and "Traceback" not in done.err
    assert not (Path("models") / SAFE).exists()
    hub.instead.clear()
    assert get("vae").code == 0 and (Path("models") / SAFE).read_bytes() == hub.repos[MAIN][SAFE]


def test_a_hub_without_ranges_sends_it_whole_again(hub, get):
    hub.no_ranges, hub.cut[SAFE] = True, [40_000]
    assert get("vae").code == 0
    assert (Path("models") / SAFE).read_bytes() == hub.repos[MAIN][SAFE]


def test_a_wrong_hash_is_an_error_that_names_the_file_and_leaves_nothing(hub, get, source):
    hub.spoil.add(SAFE)
    done = get("vae", "acestep-v15-sft", "--only", "--source", source)
    assert done.code == 1 and f"{SAFE} arrived broken: its sha256 is" in done.err and "run it again" in done.err
    assert files(Path("models") / "vae") == {".download.json", "config.json"}
    assert (Path("models") / "acestep-v15-sft" / "model.safetensors").exists()  # the other went on


def test_a_spoilt_beginning_on_disk_is_given_up_for_a_new_one(hub, get):
    hub.cut[SAFE] = [40_000] + [0] * 50
    get("vae")
    hub.cut.clear()
    [left] = (Path("models") / "vae").glob(".*.part")
    left.write_bytes(bytes(40_000))
    assert get("vae").code == 0
    assert (Path("models") / SAFE).read_bytes() == hub.repos[MAIN][SAFE]


def test_a_small_file_is_checked_by_the_hash_git_gives_it(hub, get):
    hub.spoil.add("vae/config.json")
    done = get("vae")
    assert done.code == 1 and "vae/config.json arrived broken: its git's sha1" in done.err


def test_a_full_disk_is_told_before_anything_is_fetched(hub, get, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 70_000_000, 64 * 1024 * 1024 + 200_000))
    done = get("acestep-v15-turbo")
    assert done.code == 1 and "are still to be fetched" in done.err and "--to DIR" in done.err
    assert not Path("models").exists()
    assert get("vae").code == 0  # which is small enough
    assert get("acestep-v15-turbo", "--only", "--dry-run").code == 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 0))
    assert get("vae").code == 0  # nothing of it is still to be fetched


def test_a_disk_that_fills_up_is_one_sentence(hub, get, monkeypatch):
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    done = get("vae")
    assert done.code == 1 and "No space left" in done.err and "make room" in done.err and "Traceback" not in done.err
