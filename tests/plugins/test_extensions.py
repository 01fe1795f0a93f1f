"""Extensions take part in a command for as long as it runs, and the bundled ones tell what happened."""

import hashlib
import importlib.util
import io
import sys
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from acestep_core import Extension, Registry, TrainSettings, train
from acestep_core.commands.training_choices import HOOKS
from acestep_core.hooks import OBSERVERS, STEPS
from acestep_core.observers import Observers
from acestep_core.registry import registry
from acestep_core.run import Run
from acestep_core.testing.fakes import closed_registry
from acestep_plugins.extensions.progress import Progress
from acestep_plugins.extensions.tensorboard import TensorBoard

CPU = ("-o", "device=cpu", "-o", "dtype=float32", "--sample-count", "0")
LISTENER = """
from pathlib import Path
from acestep_core import Extension, TimestepSampler, hookimpl, option

class Listener(Extension):
    '''Writes down what it hears.'''
    name = "listener"
    log: str = option("heard.txt", "file to write to")

    def _write(self, text):
        with open(self.log, "a", encoding="utf-8") as f:
            f.write(text + "\\n")

    @hookimpl
    def acestep_song(self, song):
        self._write(f"song {song.path.name}")

    @hookimpl
    def acestep_audio(self, request, path):
        self._write(f"audio {path.name} seed {request.seed}")

    def close(self):
        self._write("closed")

class Half(TimestepSampler):
    name = "half"

    def sample(self, u):
        return u / 2

@hookimpl
def acestep_extensions():
    return [Listener]

@hookimpl
def acestep_samplers():
    return [Half]

@hookimpl
def acestep_optimizer(parameters, settings):
    return None
"""


@pytest.fixture
def fresh_registry():
    """Files named with --plugin are forgotten afterwards."""
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture
def listener(tmp_path) -> Path:
    (tmp_path / "listener.py").write_text(LISTENER, encoding="utf-8")
    return tmp_path / "listener.py"


@pytest.fixture
def run(tmp_path) -> Run:
    return Run.open(tmp_path / "run", {"train": {"steps": 6}}, ())


def tell(extension: Extension, run: Run, steps: range, end: bool = True, d: float | None = None) -> None:
    """Training as the extension hears it; t is step / 10. Whatever it raises fails the test."""
    manager = closed_registry().manager
    manager.register(extension)
    observers = Observers(manager, pytest.fail)
    observers.notify("acestep_train_start", run=run)
    for step in steps:
        heard = {"loss": 1.0 / step, "t": (step / 10,), "lr": 1e-3 * step, "losses": (1.0 / step,), "d": d}
        observers.notify("acestep_train_step", run=run, step=step, **heard)
    if end:
        observers.notify("acestep_train_end", run=run, error=None)


def events(run: Run) -> EventAccumulator:
    return EventAccumulator(str(run.folder / "tensorboard"), size_guidance={"scalars": 0, "histograms": 0}).Reload()


def scalars(run: Run, tag: str) -> dict[int, float]:
    read = events(run).Scalars(tag)
    assert len({e.step for e in read}) == len(read)
    return {e.step: e.value for e in read}


def test_what_an_optimizer_finds_for_itself_is_shown_as_its_rate(run, capsys):
    tell(Progress(every_s=0), run, range(1, 3), d=0.5)
    assert "rate 5.00e-04" in capsys.readouterr().err
    tell(TensorBoard(), run, range(1, 4), d=0.5)
    assert scalars(run, "lr/d*lr") == pytest.approx({i: 5e-4 * i for i in range(1, 4)})


def test_progress_prints_the_first_step_and_the_last_and_little_between(run, capsys):
    tell(Progress(every_s=60), run, range(1, 7))
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("step 1/6  loss 1.0000  rate 1.00e-03  0:00 spent") and "left" not in first
    assert last.startswith("step 6/6  loss 0.1667  rate 6.00e-03") and last.endswith("0:00 left")


def test_progress_prints_every_step_when_asked_to(run, capsys):
    tell(Progress(every_s=0), run, range(1, 7))
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == [f"{i}/6" for i in range(1, 7)]


def test_progress_prints_the_step_at_which_a_run_was_stopped(run, capsys):
    tell(Progress(every_s=60), run, range(1, 4))
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["1/6", "3/6"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal_that_goes_on_where_the_run_does(run, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setattr(sys, "stderr", Terminal())
    run.checkpoint(2, lambda folder: None, 0)
    tell(Progress(), run, range(3, 6))
    shown = sys.stderr.getvalue()
    assert "2/6" in shown and "5/6" in shown and "loss 0.2000  rate 5.00e-03" in shown and "━" in shown


def test_progress_is_plain_on_a_terminal_when_asked_to(run, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    tell(Progress(plain=True), run, range(1, 7))
    assert "━" not in sys.stderr.getvalue() and "step 6/6" in sys.stderr.getvalue()


def test_tensorboard_writes_every_step_and_all_t(run):
    tell(TensorBoard(histogram_every=4), run, range(1, 7))
    assert scalars(run, "train/loss") == pytest.approx({i: 1 / i for i in range(1, 7)})
    assert scalars(run, "train/lr") == pytest.approx({i: 1e-3 * i for i in range(1, 7)})
    found = {e.step: e.histogram_value for e in events(run).Histograms("train/t")}
    assert {step: h.num for step, h in found.items()} == {4: 4, 6: 2}
    assert found[4].min == pytest.approx(0.1) and found[6].max == pytest.approx(0.6)


def test_tensorboard_writes_the_loss_in_each_tenth_of_t_and_acestep_validation(run):
    board = TensorBoard(histogram_every=10)
    tell(board, run, range(1, 7), end=False)
    board.acestep_validation(step=6, loss=0.25)
    board.close()
    assert scalars(run, "validation/loss") == {6: 0.25}
    assert scalars(run, "loss_by_t/0.2") == pytest.approx({6: 0.5})
    tags = [t for t in events(run).Tags()["scalars"] if t.startswith("loss_by_t")]
    assert tags == [f"loss_by_t/0.{i}" for i in range(1, 7)]


@pytest.mark.parametrize("kept", [0, 2], ids=["before the first checkpoint", "after a checkpoint"])
def test_tensorboard_shows_no_step_twice_after_a_kill(run, kept):
    killed = TensorBoard(histogram_every=1)
    tell(killed, run, range(1, 5), end=False)
    killed._writer.flush()
    if kept:
        run.checkpoint(kept, lambda folder: None, 0)
    time.sleep(1)  # files of one second have no order that TensorBoard could read
    tell(TensorBoard(histogram_every=1), run, range(kept + 1, 7))
    killed.close()
    assert list(scalars(run, "train/loss")) == [1, 2, 3, 4, 5, 6]
    assert [e.step for e in events(run).Histograms("train/t")] == [1, 2, 3, 4, 5, 6]


def test_without_the_tensorboard_package_nothing_is_started(cli, encoded, tiny, tmp_path, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "tensorboard" else there(n, *a))
    ended = cli("train", encoded.folder, "--model", tiny, "--out", tmp_path / "run", "--extension", "tensorboard", *CPU)
    assert ended.code == 1 and ended.err.startswith("Error: ") and "pip install 'acestep-core[train]'" in ended.err
    assert not (tmp_path / "run").exists() and active() == []


def active() -> list[str]:
    return [name for name, plugin in registry().manager.list_name_plugin() if isinstance(plugin, Extension)]


def test_train_takes_extensions_with_options_from_the_command_line_and_the_settings_file(cli, encoded, tiny, tmp_path):
    (tmp_path / "own.toml").write_text("[extensions.progress]\nevery_s = 0\n")
    ended = cli("--config", tmp_path / "own.toml", "train", encoded.folder, "--model", tiny, "--out", tmp_path / "run",
                "--steps", "3", "--extension", "tensorboard", "-o", "tensorboard.histogram_every=2", *CPU)  # fmt: skip
    assert ended.code == 0
    assert [x.split()[1] for x in ended.err.splitlines() if x.startswith("step ")] == ["1/3", "2/3", "3/3"]
    run = Run(tmp_path / "run")
    logged = {r["step"]: r["loss"] for r in run.metrics() if r["event"] == "step"}
    assert scalars(run, "train/loss") == pytest.approx(logged)
    assert [e.step for e in events(run).Histograms("train/t")] == [2, 3]
    dist = "acestep-core " + run.settings()["versions"]["acestep-core"]
    assert run.settings()["extensions"] == {"progress": dist, "tensorboard": dist} and active() == []


def test_train_reads_extensions_and_progress_from_its_table(cli, encoded, tiny, tmp_path):
    (tmp_path / "own.toml").write_text('[train]\nextensions = ["tensorboard"]\nprogress = false\nsteps = 1\n')
    ended = cli("--config", tmp_path / "own.toml", "train", encoded.folder, "--model", tiny, "--out", tmp_path / "run",
                *CPU)  # fmt: skip
    assert ended.code == 0 and "step 1/1" not in ended.err
    assert list(scalars(Run(tmp_path / "run"), "train/loss")) == [1]


def test_no_progress_is_quiet_and_a_wrong_extension_option_is_told(cli, encoded, tiny, tmp_path):
    given = ("train", encoded.folder, "--model", tiny, "--out", tmp_path / "run", "--steps", "1", *CPU)
    wrong = cli(*given, "--extension", "tensorboard", "-o", "tensorboard.histogram_evry=2")
    assert wrong.code == 1 and "histogram_every" in wrong.err and not (tmp_path / "run").exists()
    ended = cli(*given, "--no-progress")
    assert ended.code == 0 and "step 1/1" not in ended.err
    assert Run(tmp_path / "run").settings()["extensions"] == {}


def test_other_extensions_do_not_hinder_going_on_with_a_run(encoded, tmp_path):
    plugins, seen = Registry(), []
    extension = plugins.activate("tensorboard", {"histogram_every": 1})
    settings = TrainSettings(steps=4)
    train(encoded.folder, encoded.model, out=tmp_path / "run", settings=settings, plugins=plugins,
          on_step=seen.append, stop=lambda: len(seen) == 2)  # fmt: skip
    plugins.manager.unregister(extension)
    result = train(encoded.folder, encoded.model, out=tmp_path / "run", settings=settings, plugins=plugins)
    assert result.resumed_from == 2 and result.step == 4 and list(scalars(result.run, "train/loss")) == [1, 2]
    assert list(result.run.settings()["extensions"]) == ["tensorboard"]


def test_run_toml_records_the_sha256_of_every_local_file_that_was_used(encoded, listener, tmp_path):
    plugins = Registry()
    plugins.add_file(listener)
    plugins.activate("listener", {"log": str(tmp_path / "heard.txt")})
    result = train(encoded.folder, encoded.model, sampler="half", out=tmp_path / "run",
                   settings=TrainSettings(steps=1), plugins=plugins)  # fmt: skip
    recorded, digest = result.run.settings(), hashlib.sha256(listener.read_bytes()).hexdigest()
    assert recorded["plugins"]["half"] == f"listener.py local sha256:{digest}"
    assert recorded["plugins"]["acestep_optimizer"] == f"listener.py sha256:{digest}"
    assert recorded["extensions"]["listener"] == f"listener.py local sha256:{digest}"
    assert "sha256" not in recorded["plugins"]["lokr"] + recorded["plugins"]["pt"]


def test_encode_and_generate_take_extensions(cli, tiny, make_song, listener, tmp_path, fresh_registry):
    make_song(tmp_path / "songs" / "a.wav", 5.2)
    heard = tmp_path / "heard.txt"
    rest = ("--model", tiny, "--plugin", listener, "--extension", "listener", "-o", f"listener.log={heard}", *CPU[:4])
    assert cli("encode", tmp_path / "songs", "--out", tmp_path / "encoded", *rest).code == 0
    assert heard.read_text().splitlines() == ["song a.wav", "closed"]
    assert cli("generate", "--duration", "1", "--steps", "1", "--seed", "3", "-o", tmp_path / "a.wav", *rest).code == 0
    assert heard.read_text().splitlines()[2:] == ["audio a.wav seed 3", "closed"]
    assert active() == []


@pytest.mark.parametrize("command", ["encode", "generate"])
def test_an_extension_that_would_do_nothing_is_refused(cli, tiny, songs_dir, tmp_path, command):
    source = [songs_dir] if command == "encode" else []
    ended = cli(command, *source, "--model", tiny, "--out", tmp_path / "out.wav", "--extension", "tensorboard")
    assert ended.code == 1 and f"'tensorboard' does nothing in {command}" in ended.err and "acestep_train_" in ended.err
    assert not (tmp_path / "out.wav").exists()


def test_train_extensions_hear_every_hook_of_training():
    assert set(HOOKS) == {*STEPS, *(h for h in OBSERVERS if h != "acestep_song")}
