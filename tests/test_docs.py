"""The documentation is run: console blocks line by line, Python blocks as they stand; tables match the code."""

import inspect
import os
import re
import subprocess
import sys

import pytest
from following import PLUGINS, README, ROOT, follow, reader

from acestep_core import hooks
from acestep_core.api import KINDS
from acestep_core.cli import COMMANDS

__all__ = ["reader"]
SCRIPTS = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_readme_can_be_followed(reader, cli):
    follow(README, reader, cli)
    assert (reader / "after.flac").read_bytes() == (reader / "again.flac").read_bytes()
    assert (reader / "after.wav").stat().st_size > 100_000


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


@pytest.mark.parametrize("script", sorted(SCRIPTS - {"tensor_memory"}))
def test_every_benchmark_is_listed_with_its_claim(script):
    assert f"`benchmarks/{script}.py`" in README.read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_benchmark_finds_what_it_imports():
    """They take too long to be run here, and what they import is renamed now and then."""
    program = "import sys; [__import__(name) for name in sys.argv[1:]]"
    paths = [str(ROOT / "benchmarks"), str(ROOT / "contrib" / "acestep-nano")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    ran = subprocess.run(
        [sys.executable, "-c", program, *sorted(SCRIPTS)], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
