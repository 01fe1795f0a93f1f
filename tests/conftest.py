"""What many tests need and would be slow to make in each: a tiny model, songs, and those songs encoded."""

import io
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

# Workers use all processors as it is: threads that wait for each other make a test of seconds last minutes on a busy
# machine, sleeping as well as spinning. Before torch comes in.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import soundfile

from acestep_core import EncodeSettings, Model, encode, load_backend
from acestep_core.registry import registry

# Files that take longest begin first, so that none is left alone at the end.
LONGEST = ("test_docs.py", "test_contrib.py", "test_ray.py", "test_training_processes.py", "test_again.py",
           "test_serve_with_a_model.py", "test_kill.py", "test_demand.py", "test_train_demand.py", "test_samples.py",
           "test_contracts_bundled.py", "test_training.py")  # fmt: skip
RATE_HZ = 48_000
TREE = Path(__file__).parents[1]

# A shell starts what is to run in the background with Ctrl-C ignored, and programs started here would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@dataclass(frozen=True)
class Encoded:
    """A folder of encoded songs, the model that made it and the audio files it was made of."""

    folder: Path
    model: Model
    songs: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a command of the program printed and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True, scope="session")
def _nobodys_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither see nor touch what a person keeps on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("person")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _rehearsed_once() -> Iterator[None]:
    """A training is rehearsed to forecast its memory, which takes longer than tiny steps do: the same one only once."""
    from acestep_plugins.backends.pt import PyTorch

    rehearse, known = PyTorch.train_demand, {}

    def train_demand(self: PyTorch, folder: Path, work: Any) -> Any:
        told = (self.settings(), folder, work.adapter, work.settings, work.shown, work.measured)
        key = (type(work.adapter), repr(told))
        if key not in known:  # the adapter is kept, so that no other one gets its address
            known[key] = work.adapter, rehearse(self, folder, work)
        return known[key][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PyTorch, "train_demand", train_demand)
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a complete tiny checkpoint."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    registry().make("backends", "pt").write_tiny(folder, "turbo")
    return folder


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Whisper as faster-whisper reads it, which says `tiny_speech.SCRIPT`."""
    pytest.importorskip("faster_whisper", reason="the extra 'whisper' is not installed")
    from tiny_speech import write_whisper

    return write_whisper(tmp_path_factory.mktemp("whisper") / "model")


@pytest.fixture(scope="session")
def omni_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2.5-Omni as the released ones are laid out, which writes `tiny_speech.ANSWER`."""
    from tiny_speech import write_omni

    return write_omni(tmp_path_factory.mktemp("omni") / "model")


@pytest.fixture
def songs_dir(tmp_path: Path) -> Path:
    """A copy of the example songs, to change at will."""
    return Path(shutil.copytree(TREE / "examples" / "songs", tmp_path / "songs"))


@pytest.fixture(scope="session")
def make_song() -> Callable[..., Path]:
    """make_song(path, seconds=6.0, hz=220.0, caption="", lyrics="") writes a song; different tones, different songs."""
    return _make_song


@pytest.fixture(scope="session")
def encoded(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    """Three songs of about 6 s, encoded on the CPU in float32."""
    folder = tmp_path_factory.mktemp("encoded")
    songs = [
        _make_song(folder / "songs" / "low.wav", 6.0, 110.0, "low slow bells", "[Verse]\nRain on the roof"),
        _make_song(folder / "songs" / "middle.wav", 6.4, 220.0, "bright bells", "[Chorus]\nSun again"),
        _make_song(folder / "songs" / "high.wav", 5.6, 440.0, "high glass bells"),
    ]
    model = load_backend("pt", model=tiny, device="cpu", dtype="float32")
    result = encode(folder / "songs", model, folder / "encoded", EncodeSettings(seed=0))
    assert sorted(result.encoded) == ["high.wav", "low.wav", "middle.wav"], result.problems
    return Encoded(result.folder, model, songs)


@pytest.fixture(scope="session")
def cli() -> Callable[..., Outcome]:
    """cli("scan", folder) runs the program in this process; names that are no Unicode come out escaped, as outside."""
    return _cli


def _make_song(path: Path, seconds: float = 6.0, hz: float = 220.0, caption: str = "", lyrics: str = "") -> Path:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    decay = np.exp(-4 * (t % 0.5))
    left, right = (0.3 * decay * np.sin(2 * np.pi * f * t) for f in (hz, 1.5 * hz))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([left, right], axis=1).astype(np.float32), RATE_HZ, subtype="PCM_16")
    for ending, text in ((".caption.txt", caption), (".lyrics.txt", lyrics)):
        if text:
            path.with_suffix(ending).write_text(text, encoding="utf-8")
    return path


def _cli(*args: str | Path) -> Outcome:
    from acestep_core.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    argv = ["acestep-core", *map(str, args)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main()
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Outcome(end.value.code or 0, *texts)
