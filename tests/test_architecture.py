"""The rules that keep the core small and lazy, read from the source itself."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

TREE = Path(__file__).parents[1]
CORE, PLUGINS = TREE / "acestep_core", TREE / "plugins"
HEAVY = {"torch", "torchaudio", "numpy", "scipy", "transformers", "diffusers", "peft", "lycoris", "safetensors",
         "soundfile", "soxr", "gradio", "mlx", "rich", "faster_whisper", "ctranslate2", "huggingface_hub",
         "modelscope_hub", "ray"}  # fmt: skip
LOW = ("errors", "options", "hooks", "api", "data", "prompts", "parts", "discovery", "registry")
PIPELINES = ("encoding", "training", "generation")
SHELL = ("commands", "cli", "__main__")
MOST_LINES, MOST_FUNCTION_LINES = 300, 60
HUBS = re.compile(r"\b(hugging" + r"face\.co|hf" + r"\.co|model" + r"scope\.(cn|ai)|py" + r"pi\.org)\b")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def files(*folders: Path) -> list[Path]:
    return sorted(p for f in folders for p in f.rglob("*.py") if not {".venv", "build", "dist"} & set(p.parts))


OURS = files(CORE, PLUGINS, TREE / "contrib")
EVERYTHING = sorted({*OURS, *files(TREE / "tests", TREE / "benchmarks", TREE / "examples")})


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    root = PLUGINS if path.is_relative_to(PLUGINS) else TREE
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imported(node: ast.AST) -> Iterator[str]:
    """Full names an import statement asks for: `from a import b` is a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(path: Path, inside_functions: bool = True) -> Iterator[str]:
    """What runs when the module is imported, and with `inside_functions` what may run later."""
    waiting: list[ast.AST] = [tree_of(path)]
    while waiting:
        node = waiting.pop()
        yield from imported(node)
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if for_type_checkers(node):
            waiting += node.orelse
        elif inside_functions or not function:
            waiting += ast.iter_child_nodes(node)


def entry_point_modules() -> list[str]:
    project = tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    values = [v for table in project["entry-points"].values() for v in table.values()]
    return sorted({v.partition(":")[0] for v in [*values, *project["scripts"].values()]})


def file_of(module: str) -> Path:
    root = TREE if module.partition(".")[0] == CORE.name else PLUGINS
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def each(paths: list[Path]) -> Callable:
    return pytest.mark.parametrize("path", paths, ids=lambda p: p.relative_to(TREE).as_posix())


@each(sorted({*files(CORE), *map(file_of, entry_point_modules())}))
def test_nothing_heavy_is_imported_at_the_top_of(path: Path):
    top = {name.partition(".")[0] for name in imports(path, inside_functions=False)}
    assert not top & HEAVY


@each(files(CORE))
def test_the_core_does_not_import_the_bundled_plugins_in(path: Path):
    assert not [n for n in imports(path) if n.partition(".")[0] == "acestep_plugins"]


@each([p for p in files(PLUGINS) if len(p.relative_to(PLUGINS).parts) > 2])
def test_plugins_do_not_import_another_kind_in(path: Path):
    own = ".".join(module_name(path).split(".")[:2])
    others = [n for n in imports(path) if n.startswith("acestep_plugins.") and not f"{n}.".startswith(f"{own}.")]
    assert not others


@each([p for p in OURS if not p.is_relative_to(CORE)])
def test_plugins_use_no_private_name_of_the_core_in(path: Path):
    asked = [n for n in imports(path) if n.partition(".")[0] == "acestep_core"]
    assert not [n for n in asked if any(part.startswith("_") for part in n.split(".")) and "__version__" not in n]


@each([CORE / f"{name}.py" for name in LOW])
def test_the_foundation_knows_no_pipeline_and_no_command_in(path: Path):
    above = {f"acestep_core.{name}" for name in (*PIPELINES, *SHELL)}
    assert not [n for n in imports(path) if any(f"{n}.".startswith(f"{a}.") for a in above)]


@each([p for p in OURS if module_name(p).split(".")[:2] not in [["acestep_core", s] for s in SHELL]])
def test_only_commands_import_commands_in(path: Path):
    above = tuple(f"acestep_core.{name}." for name in SHELL)
    assert not [n for n in imports(path) if f"{n}.".startswith(above)]


@each(EVERYTHING)
def test_files_and_functions_stay_short_and_finished_in(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert not UNFINISHED.search(text)
    functions = [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [f.name for f in functions if f.end_lineno - f.lineno + 1 > MOST_FUNCTION_LINES]


def test_no_file_names_the_host_of_a_hub_or_an_index():
    """Their own libraries know where they are, and mirrors stand in the environment."""
    others = [p for pattern in ("*.md", "*.toml", "*.txt", "Makefile", ".ci/*") for p in TREE.glob(pattern)]
    assert len(others) > 5
    texts = {p: p.read_text(encoding="utf-8") for p in {*EVERYTHING, *others}}
    assert not [p for p, text in texts.items() if HUBS.search(text)]


def catches_everything(handler: ast.ExceptHandler) -> bool:
    names = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)} if handler.type else {"BaseException"}
    return bool(names & {"Exception", "BaseException"})


def raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@each(OURS)
def test_whoever_catches_everything_says_why_or_raises_it_again_in(path: Path):
    lines = path.read_text(encoding="utf-8").splitlines()
    handlers = [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.ExceptHandler) and catches_everything(n)]
    for handler in handlers:
        line = lines[handler.lineno - 1]
        reason = re.sub(r"\b(noqa|type: ignore|pragma)\b.*", "", line.partition("#")[2])
        assert len(reason.split()) >= 2 or raises_again(handler), f"line {handler.lineno}: {line.strip()}"


BLOCKING = """
import importlib, json, sys
heavy, modules = json.loads(sys.argv[1])

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refuse())
failed = {}
for name in modules:
    try:
        importlib.import_module(name)
    except ImportError as e:
        failed[name] = str(e)
print(json.dumps(failed))
"""


def test_every_core_module_and_entry_point_can_be_imported_without_any_heavy_package(tmp_path: Path):
    core = [module_name(p) for p in files(CORE) if p.name != "__main__.py"]
    question = json.dumps([sorted(HEAVY), [*core, *entry_point_modules()]])
    command = [sys.executable, "-c", BLOCKING, question]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {}


def test_the_rules_find_what_they_look_for(tmp_path: Path):
    path = tmp_path / "sample.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\nelse:\n    import rich\n"
        "class A:\n    from scipy import signal\n    def f(self):\n        import numpy\n"
        "try:\n    import peft.tuners\nexcept Exception:\n    pass\n"
    )
    assert set(imports(path, inside_functions=False)) == {
        "typing.TYPE_CHECKING", "rich", "scipy.signal", "peft.tuners"
    }  # fmt: skip
    assert "numpy" in set(imports(path)) and "torch" not in set(imports(path))
    with pytest.raises(AssertionError, match="line 12: except Exception"):
        test_whoever_catches_everything_says_why_or_raises_it_again_in(path)
