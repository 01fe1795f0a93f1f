"""Songs done by a cluster of two machines on this one: as locally, each once, whatever dies."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray_cluster import PLUGIN, cluster, files, second, write_model
from safetensors.numpy import load_file

import acestep_core
from acestep_core import UserError, encode, load_backend, process_folder
from acestep_core.registry import Registry
from acestep_core.testing.fakes import write_wav

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def machines() -> Iterator[Any]:
    """The cluster, with its head alone."""
    with cluster() as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders with the same songs, and the witness' own."""
    for folder, name in ((f, n) for f in ("there", "here") for n in ("a", "bb", "ccc", "dddd", "eeeee")):
        (tmp_path / folder).mkdir(exist_ok=True)
        write_wav(tmp_path / folder / f"{name}.wav", 0.2, rate_hz=8000, hz=200.0 + len(name))
    for name in ("said", "songs"):
        (tmp_path / name).mkdir()
    (tmp_path / "witness.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(place: Path) -> list[tuple[str, str]]:
    """(song, id of the machine), in order."""
    path = place / "said" / "asked"
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []


def hold(place: Path, node: Any) -> Path:
    """Songs asked about on that machine wait for as long as the file is there."""
    path = place / "said" / f"held.{node.node_id}"
    path.touch()
    return path


def when(ready: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """`act`, in another thread, as soon as `ready`."""

    def wait() -> None:
        end = time.monotonic() + 120
        while not ready() and time.monotonic() < end:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@dataclass(frozen=True)
class Killing:
    """Of the machine with the id `other`."""

    other: str
    join: Callable[[], None]


def killed_at_work(machines: Any, place: Path) -> Killing:
    """A second machine joins, and dies over its first song. Until then the first machine waits with one of its own."""
    other = second(machines)
    hold(place, other)
    held = hold(place, machines.head_node)

    def kill() -> None:
        machines.remove_node(other, allow_graceful=False)
        held.unlink()

    return Killing(other.node_id, when(lambda: any(n == other.node_id for _, n in asked(place)), kill).join)


def annotated(folder: str, address: str = "", **request: Any):
    """Here, unless there is the address of a cluster."""
    if address:
        request |= {"executor": "ray", "options": {"executor": {"address": address}}}
    plugins = Registry()
    plugins.add_file(Path("witness.py"))
    return process_folder(folder, annotators=["witness"], plugins=plugins, **request)


def test_a_machine_killed_in_the_middle_costs_no_song_and_the_files_are_as_locally(machines, place):
    killing, told = killed_at_work(machines, place), []
    result = annotated("there", machines.address, on_song=lambda done: told.append((done.song.path.stem, done.number)))
    killing.join()
    assert sorted(result.filled) == ["a.wav", "bb.wav", "ccc.wav", "dddd.wav", "eeeee.wav"] and not result.problems
    assert sorted(name for name, _ in told) == ["a", "bb", "ccc", "dddd", "eeeee"]
    assert [number for _, number in told] == [1, 2, 3, 4, 5]
    lost = [name for name, node in asked(place) if node == killing.other]
    assert len(lost) == 1 and Counter(n for n, _ in asked(place)) == Counter(["a", "bb", "ccc", "dddd", "eeeee", *lost])
    assert any("the machine is gone" in note for note in result.notes)
    annotated("here")
    assert files(place / "there") == files(place / "here") and len(files(place / "here")) == 10
    before = len(asked(place))
    assert len(annotated("there", machines.address).kept) == 5 and len(asked(place)) == before


def test_a_song_that_kills_each_of_its_workers_costs_that_song_alone(machines, place):
    write_wav(place / "there" / "deadly.wav", 0.2, rate_hz=8000, hz=500.0)
    result = annotated("there", machines.address, jobs=3)
    assert len(result.filled) == 5 and list(result.problems) == ["deadly.wav"]
    assert "3 workers died over it" in str(result.problems["deadly.wav"][0])
    counts = Counter(name for name, _ in asked(place))
    assert counts.pop("deadly") == 3 and max(counts.values()) <= 2
    assert any("3 workers died" in note for note in result.notes)


def test_ctrl_c_brings_what_was_begun_to_its_end_and_begins_no_other(machines, place):
    held = hold(place, machines.head_node)
    command = [sys.executable, "-m", "acestep_core", "annotate", "there", "--annotator", "witness", "--plugin",
               "witness.py", "--executor", "ray", "-o", f"executor.address={machines.address}", "--json"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        when(lambda: bool(asked(place)), lambda: process.send_signal(signal.SIGINT)).join()
        time.sleep(0.5)
        held.unlink()
        told = json.loads(process.communicate(timeout=120)[0])
    assert process.returncode == 130 and told["stopped"] and not told["problems"]
    assert len(told["filled"]) == 1 and len(told["not_asked"]) == 4 and len(asked(place)) == 1


def test_encode_with_a_machine_killed_in_the_middle_makes_the_same_files(machines, place):
    for number in range(4):
        write_wav(place / "songs" / f"{number}.wav", 5.5 + number / 100, hz=200.0 + number)
        (place / "songs" / f"{number}.caption.txt").write_text(f"bells {number}")
    write_wav(place / "songs" / "silent.wav", 6.0, hz=0.0)
    plugins, done = Registry(), []
    plugins.add_file(Path("witness.py"))
    model = load_backend("toy", model=write_model(place / "models"), plugins=plugins)
    request = {"plugins": plugins, "executor": "ray", "options": {"executor": {"address": machines.address}}}
    killing = killed_at_work(machines, place)
    there = encode(
        "songs", model, place / "out-there", on_song=lambda d: done.append((d.song.path.stem, d.what)), **request
    )
    killing.join()
    here = encode("songs", model, place / "out-here", plugins=plugins)
    assert sorted(there.encoded) == here.encoded == [f"{n}.wav" for n in range(4)]
    assert there.problems == here.problems and "silent from start to end" in str(here.problems["silent.wav"][0])
    assert sorted(done) == [*((str(n), "encoded") for n in range(4)), ("silent", "failed")]
    assert files(place / "out-there") == files(place / "out-here") and len(files(place / "out-here")) == 5
    assert any("the machine is gone" in warning for warning in there.warnings)
    before = len(asked(place))
    again = encode("songs", model, place / "out-there", **request)
    assert len(again.kept) == 4 and not again.encoded and len(asked(place)) == before


def test_a_real_model_makes_there_what_it_makes_here(machines, encoded, tmp_path):
    """To rounding: a worker there may have other numbers of threads, and so add up in another order."""
    (tmp_path / "songs").mkdir()
    for path in encoded.songs[0].parent.glob("low.*"):
        (tmp_path / "songs" / path.name).write_bytes(path.read_bytes())
    result = encode(tmp_path / "songs", encoded.model, tmp_path / "out", executor="ray",
                    options={"executor": {"address": machines.address}})  # fmt: skip
    assert result.encoded == ["low.wav"], result.problems
    (made,) = (tmp_path / "out").glob("*.safetensors")
    there, here = load_file(made), load_file(encoded.folder / made.name)
    assert there.keys() == here.keys()
    for name, array in here.items():
        np.testing.assert_allclose(there[name], array, rtol=1e-3, atol=1e-4)


def test_another_version_there_is_refused_before_anything_is_done(machines, place, monkeypatch):
    monkeypatch.setattr(acestep_core, "__version__", "9.9.9")
    with pytest.raises(UserError, match=r"has acestep-core 1\..*has 9\.9\.9") as caught:
        annotated("there", machines.address)
    assert "pip install acestep-core==9.9.9 there" in caught.value.hint and not asked(place)


@pytest.mark.parametrize(("address", "said"), [("127.0.0.1:9", "No Ray cluster is running at 127.0.0.1:9"),
                                               ("local", "is not that of a running cluster"),
                                               ("ray://localhost:1", "is not that of a running cluster")])  # fmt: skip
def test_no_cluster_is_ever_started(address, said, place):
    import ray

    with pytest.raises(UserError, match=said):
        annotated("there", address)
    assert not ray.is_initialized()


def test_a_missing_package_is_told_with_the_line_that_installs_it(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="needs the package ray") as caught:
        annotated("there", "auto")
    assert caught.value.hint == 'pip install "acestep-core[ray]"'
