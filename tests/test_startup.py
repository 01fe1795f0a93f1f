"""What a command does not use, it does not import."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = ("torch", "torchaudio", "numpy", "scipy", "diffusers", "transformers", "peft", "lycoris", "safetensors",
         "soundfile", "soxr", "gradio", "mlx", "rich", "huggingface_hub", "modelscope_hub", "ray")  # fmt: skip
PLUGINS = "acestep_plugins"
TARGET_S, TRIES = 0.2, 20
BARE_S = 0.02  # a bare interpreter on an idle machine

_REPORT = "import json, sys; print('\\n' + json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
_COMMAND = """
from acestep_core.cli import group
try:
    group({arguments!r}, prog_name="acestep-core", standalone_mode=False)
finally:
    {report}
"""


def imported(code: str, folder: Path) -> set[str]:
    """Top-level names of the modules a fresh interpreter has imported after running some code."""
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


def imported_by_command(folder: Path, *arguments: str) -> set[str]:
    return imported(_COMMAND.format(arguments=list(arguments), report=_REPORT), folder)


def test_importing_the_package_imports_nothing_heavy_and_not_even_click(tmp_path: Path):
    seen = imported(f"import acestep_core; {_REPORT}", tmp_path)
    assert "acestep_core" in seen
    assert not seen & {*HEAVY, PLUGINS, "click", "pluggy", "importlib_metadata"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["plugins", "list"],
        ["plugins", "list", "--json"],
        ["plugins", "list", "--kind", "samplers"],
        ["plugins", "show", "--help"],
        ["train", "--help"],
        ["generate", "--help"],
        ["models", "download", "--help"],
        ["models", "list", "--available"],
    ],
    ids=" ".join,
)
def test_help_and_listing_import_no_plugin_and_nothing_heavy(arguments: list[str], tmp_path: Path):
    assert not imported_by_command(tmp_path, *arguments) & {*HEAVY, PLUGINS}


def test_showing_a_plugin_imports_that_plugin_and_nothing_heavy(tmp_path: Path):
    seen = imported_by_command(tmp_path, "plugins", "show", "samplers", "uniform")
    assert PLUGINS in seen and not seen & set(HEAVY)


def test_completion_of_commands_and_kinds_imports_no_plugin_and_nothing_heavy(tmp_path: Path):
    code = f"""
from click.shell_completion import ShellComplete
from acestep_core.cli import group
complete = ShellComplete(group, {{}}, "acestep-core", "_COMPLETE").get_completions
assert [c.value for c in complete([], "trai")] == ["train"], complete([], "trai")
assert "samplers" in [c.value for c in complete(["plugins", "show"], "")]
{_REPORT}"""
    assert not imported(code, tmp_path) & {*HEAVY, PLUGINS}


def test_completing_a_command_does_not_import_the_module_of_any(tmp_path: Path):
    code = """
import sys
from click.shell_completion import ShellComplete
from acestep_core.cli import COMMANDS, group
names = [c.value for c in ShellComplete(group, {}, "acestep-core", "_COMPLETE").get_completions([], "")]
assert set(COMMANDS) <= set(names)
assert not [m for m in sys.modules if m.startswith("acestep_core.commands")]
print("[]")"""
    assert imported(code, tmp_path) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "list"]], ids=" ".join)
def test_help_and_listing_stay_under_the_target(arguments: list[str], tmp_path: Path):
    """One run out of many is enough, and on a busy machine the target moves with the time of a bare interpreter."""
    runs = []
    while len(runs) < TRIES and (not runs or runs[-1][0] >= runs[-1][1]):
        slowness = max(1.0, seconds(["-c", "pass"], tmp_path) / BARE_S)
        runs.append((seconds(["-m", "acestep_core", *arguments], tmp_path), TARGET_S * slowness))
    assert runs[-1][0] < runs[-1][1], runs


def seconds(arguments: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start
