"""The README is followed: its TOML is written, its commands run, its output is what they print."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def followed(place):
    """What each command printed."""
    printed: dict[str, str] = {}
    for language, rest, text in BLOCK.findall(README):
        if "file=" in rest:
            (place / rest.split("file=")[1].strip()).write_text(text, encoding="utf-8")
        for line in text.splitlines() if language == "console" else ():
            command = line.removeprefix("$ acestep-core ")
            done = subprocess.run(f"{sys.executable} -m acestep_core {command}", shell=True, cwd=place,
                                  capture_output=True, text=True, encoding="utf-8", timeout=60)  # fmt: skip
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            printed[command] = done.stdout
    return printed


def test_it_can_be_followed(followed, place):
    assert len(followed) == 7
    (shown,) = [text for _, rest, text in BLOCK.findall(README) if "output=check" in rest]
    for line in shown.splitlines():
        assert line in followed["kohya check run.toml"]
    assert "--learning_rate=3.64e-05" in "".join(followed.values())
    for name in ("out/name.safetensors", "out/name.run.json", "train.sh", "train.py", "clean.toml"):
        assert (place / name).is_file()


@pytest.mark.parametrize("command", ["check", "argv", "toml", "script", "run"])
def test_every_command_is_in_it(command):
    assert f"acestep-core kohya {command}" in README
