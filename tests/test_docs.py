"""The documentation is run: console blocks line by line, Python blocks as they stand; tables match the code."""

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from acestep_core import hooks
from acestep_core.api import KINDS
from acestep_core.cli import COMMANDS
from acestep_core.registry import Registry

ROOT = Path(__file__).parents[1]
README, PLUGINS = (ROOT / name for name in ("README.md", "PLUGINS.md"))
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path, encoded):
    """Where a reader would be: two songs in songs/."""
    (tmp_path / "songs").mkdir()
    for path in [p for audio in encoded.songs[:2] for p in audio.parent.glob(f"{audio.stem}.*")]:
        shutil.copy(path, tmp_path / "songs")
    return tmp_path


def blocks(document):
    return BLOCK.findall(document.read_text(encoding="utf-8"))


def run(command, folder):
    program = re.sub("^acestep-core", f"{sys.executable} -m acestep_core", re.sub("^python", sys.executable, command))
    done = subprocess.run(program, shell=True, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def follow(document, folder):
    """Every block in order, as a reader would."""
    for language, rest, text in blocks(document):
        if language == "console":
            for line in text.splitlines():
                run(line.removeprefix("$ "), folder)
        elif "file=" in rest:
            (folder / rest.split("file=")[1].strip()).write_text(text, encoding="utf-8")
        elif language == "python":
            (folder / "example.py").write_text(text, encoding="utf-8")
            run("python example.py", folder)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_readme_can_be_followed(folder):
    follow(README, folder)
    assert (folder / "after.flac").read_bytes() == (folder / "again.flac").read_bytes()
    assert (folder / "after.wav").stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_plugins_page_can_be_followed(folder):
    for command in ("models tiny models", "encode songs --model models --out encoded"):
        run(f"acestep-core {command}", folder)
    follow(PLUGINS, folder)
    assert 'name = "both_ends@both_ends.py"' in (folder / "ends-run" / "run.toml").read_text()
    assert (folder / "watched" / "last_loss.txt").read_text().startswith("4 ")
    assert (folder / "samplers.png").stat().st_size > 10_000
    for file in ("from_name.py", "busy.py", "hello.py"):
        assert Registry([]).add_file(folder / file)


def test_readme_opens_with_the_two_commands():
    assert re.search(r"^make demo .*\n^make test ", README.read_text(encoding="utf-8")[:800], re.MULTILINE)


@pytest.mark.parametrize("hook", [*(f"acestep_{k}" for k in hooks.REGISTRATION), *hooks.STEPS, *hooks.OBSERVERS])
def test_every_hook_is_documented_with_its_arguments(hook):
    arguments = ", ".join(inspect.signature(getattr(hooks, hook)).parameters)
    assert f"`{hook}({arguments})`" in PLUGINS.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_documented(kind):
    base = KINDS[kind].__name__ if KINDS[kind] else "click command"
    assert re.search(rf"^\| `{kind}` \|.*{base}", PLUGINS.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command):
    text = README.read_text(encoding="utf-8") + PLUGINS.read_text(encoding="utf-8")
    assert command == "demo" or re.search(rf"(acestep-core|`){re.escape(' ')}?{command}\b", text)


@pytest.mark.parametrize("script", sorted(p.name for p in (ROOT / "benchmarks").glob("*.py")))
def test_every_benchmark_is_listed_with_its_claim(script):
    assert f"`benchmarks/{script}`" in README.read_text(encoding="utf-8")
