"""A place to train in: sd-scripts in small with a virtual environment, 35 images with captions, a model."""

import io
import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from acestep_kohya.command import command
from fake_scripts import write_scripts

from acestep_core.console import errors_shown

RUN = """
[kohya]
scripts = "sd-scripts"

[model_arguments]
pretrained_model_name_or_path = "model.safetensors"
output_dir = "out"
output_name = "name"

[dataset_arguments]
train_data_dir = "images"
caption_extension = ".txt"
resolution = "512,512"

[training_arguments]
max_train_steps = 6
"""


@dataclass(frozen=True)
class Outcome:
    """What the command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with everything that `RUN` names and `run.toml`, which holds it."""
    monkeypatch.chdir(tmp_path)
    write_scripts(tmp_path / "sd-scripts")
    venv.create(tmp_path / "sd-scripts" / "venv", symlinks=os.name != "nt")
    write_images(tmp_path / "images" / "30_Name", 35)
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "run.toml").write_text(RUN, encoding="utf-8")
    return tmp_path


@pytest.fixture
def kohya() -> Callable[..., Outcome]:
    """kohya("check", "run.toml") in this process."""
    return _kohya


@pytest.fixture
def started(place: Path) -> Callable[..., Outcome]:
    """started("run", "run.toml") as the program in a process of its own."""

    def run(*args: str) -> Outcome:
        done = subprocess.run(program(*args), cwd=place, capture_output=True, text=True, encoding="utf-8", timeout=60)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


def program(*args: str) -> list[str]:
    return [sys.executable, "-m", "acestep_core", "kohya", *args]


def write_images(folder: Path, count: int, captions: str = ".txt") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:02}.png").touch()
        if captions:
            (folder / f"{number:02}{captions}").write_text("hat, smile", encoding="utf-8")


def _kohya(*args: str | Path) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end, errors_shown():
        command.main([str(a) for a in args], prog_name="kohya", obj={})
    return Outcome(end.value.code or 0, out.getvalue(), err.getvalue())
