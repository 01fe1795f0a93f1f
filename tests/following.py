"""Follows a page of the documentation as a reader would."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README, PLUGINS = (ROOT / name for name in ("README.md", "PLUGINS.md"))
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SHELL = set("|<>&;$*")


@pytest.fixture
def reader(tmp_path, encoded):
    """Where a reader would be: two songs in songs/."""
    (tmp_path / "songs").mkdir()
    for path in [p for audio in encoded.songs[:2] for p in audio.parent.glob(f"{audio.stem}.*")]:
        shutil.copy(path, tmp_path / "songs")
    return tmp_path


def blocks(document):
    return _BLOCK.findall(document.read_text(encoding="utf-8"))


def run(command, folder):
    program = re.sub("^acestep-core", f"{sys.executable} -m acestep_core", re.sub("^python", sys.executable, command))
    done = subprocess.run(program, shell=True, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def follow(document, folder, cli=None):
    """Every block in order. With `cli`, plain commands of the program run in this process, which saves its start."""
    for language, rest, text in blocks(document):
        if language == "console":
            for line in text.splitlines():
                command = line.removeprefix("$ ")
                if cli and command.startswith("acestep-core ") and not _SHELL & set(command):
                    with pytest.MonkeyPatch.context() as patch:
                        patch.chdir(folder)
                        ended = cli(*shlex.split(command)[1:])
                    assert ended.code == 0, f"{command}\n{ended.out}\n{ended.err}"
                else:
                    run(command, folder)
        elif "file=" in rest:
            (folder / rest.split("file=")[1].strip()).write_text(text, encoding="utf-8")
        elif language == "python":
            (folder / "example.py").write_text(text, encoding="utf-8")
            run("python example.py", folder)
