"""Real third-party distributions, written as wheels by hand and installed into an environment of their own."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

SAMPLER = """
from acestep_core import TimestepSampler, hookimpl, option

class Sampler(TimestepSampler):
    \"\"\"A sampler of another package.\"\"\"
    name = "{name}"
    power: float = option(1.0, "exponent", gt=0)

    def sample(self, u):
        return u ** self.power

@hookimpl
def acestep_samplers():
    return [Sampler]
"""
COMMAND = """
import click
from acestep_core import hookimpl

@click.command("{name}")
@click.argument("whom")
def command(whom):
    \"\"\"Greet somebody.\"\"\"
    click.echo(f"hello {{whom}}")

@hookimpl
def acestep_commands():
    return [command]
"""
LOUD = """
from acestep_core import Extension, hookimpl

class Loud(Extension):
    \"\"\"Fails whenever it is told of an audio file.\"\"\"
    name = "loud"

    @hookimpl
    def acestep_audio(self, path):
        raise OSError("no space left")

@hookimpl
def acestep_extensions():
    return [Loud]
"""


@dataclass(frozen=True)
class Distribution:
    """One package with one plugin module; `fault` is what is wrong with it, in a few words."""

    name: str
    fault: str
    plugin: tuple[str, str]
    code: str
    requires: tuple[str, ...] = ("acestep-core",)
    said: str = ""

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    @property
    def entry_points(self) -> str:
        """The file of that name."""
        kind, name = self.plugin
        return f"[acestep_core.{kind}]\n{name} = {self.module}\n"


def _sampler(dist: str, fault: str, code: str = "", said: str = "", **rest: object) -> Distribution:
    name = dist.removeprefix("tp-")
    return Distribution(dist, fault, ("samplers", name), code or SAMPLER.format(name=name), said=said, **rest)


HEALTHY = _sampler("tp-healthy", "none, a sampler")
GREETER = Distribution("tp-greeter", "none, a command", ("commands", "greet"), COMMAND.format(name="greet"))
TWINS = tuple(
    Distribution(f"tp-{side}-twin", "same name as another's", ("samplers", "twin"), SAMPLER.format(name="twin"),
                 said="'twin' is the name of 2 samplers")
    for side in ("left", "right")
)  # fmt: skip
LOUD_EXTENSION = Distribution("tp-loud", "observer that raises", ("extensions", "loud"), LOUD)
FAULTY = (
    _sampler("tp-raises", "raises when imported", "raise RuntimeError('not today')\n", "RuntimeError: not today"),
    _sampler("tp-exits", "sys.exit when imported", "import sys\nsys.exit(0)\n", "SystemExit: 0"),
    _sampler("tp-lacks", "needs a missing package", "import tp_not_there.parts\n", "misses the package 'tp_not_there'"),
    _sampler("tp-absent", "names a module that is not there", "", "No module named 'tp_absent'"),
    _sampler("tp-broken", "is no Python", "def broken(:\n", "SyntaxError"),
    _sampler("tp-old", "requires acestep-core<1", "raise SystemExit('imported')\n", "needs acestep-core <1",
             requires=("acestep-core<1",)),
    _sampler("tp-argument", "hook with a wrong argument", SAMPLER.format(name="argument").replace("samplers()",
             "samplers(surprise)"), "does not fit"),
    _sampler("tp-rubbish", "hook returns a number", SAMPLER.format(name="rubbish").replace("[Sampler]", "42"),
             "returns int instead of a list"),
    _sampler("tp-mismatch", "another name inside", SAMPLER.format(name="other"), "is named 'mismatch'"),
    *TWINS,
    Distribution("tp-command", "command raises when imported", ("commands", "crash"), "1 / 0\n",
                 said="ZeroDivisionError"),
)  # fmt: skip
ALL = (HEALTHY, GREETER, LOUD_EXTENSION, *FAULTY)

# Those that work, but about which `plugins doctor` has something to say.
IMPERFECT = (
    _sampler("tp-heavy", "torch at the top", "import torch\n" + SAMPLER.format(name="heavy"), "imports torch"),
    _sampler("tp-silent", "option without help", SAMPLER.format(name="silent").replace('"exponent"', '""'),
             "option 'power' has no help"),
    _sampler("tp-hidden", "class without entry point", SAMPLER.format(name="hidden") + """
class Extra(Sampler):
    name = "extra"

@hookimpl(specname="acestep_samplers")
def more():
    return [Extra]
""", "returns 'extra', which no entry point announces"),
)  # fmt: skip
# Those that take their whole process along; only `plugins doctor` should meet them.
DANGEROUS = (
    _sampler("tp-aborts", "os.abort when imported", "import os\nos.abort()\n", "SIGABRT"),
    _sampler("tp-leaves", "os._exit when imported", "import os\nos._exit(3)\n", "exit code 3"),
    _sampler("tp-hangs", "never ends when imported", "while True: pass\n", "did not end within"),
)


def write_wheel(dist: Distribution, folder: Path) -> Path:
    """The wheel file (PEP 427) of a pure Python distribution, version 0.1."""
    info = f"{dist.module}-0.1.dist-info"
    about = ["Metadata-Version: 2.1", f"Name: {dist.name}", "Version: 0.1"]
    files = {
        f"{info}/METADATA": "\n".join([*about, *(f"Requires-Dist: {r}" for r in dist.requires)]) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": dist.entry_points,
    }
    if dist.name != "tp-absent":
        files[f"{dist.module}.py"] = dist.code
    record = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    wheel = folder / f"{dist.module}-0.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Environment:
    """A virtual environment that sees the packages of the running one and has its own besides."""

    def __init__(self, folder: Path):
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        self.python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.packages = Path(self._ask(self.python, "sysconfig.get_path('purelib')"))
        # Whole paths, not a nested site-packages: .pth files in there, such as an editable install's, would not count.
        shared = self._ask(sys.executable, "'\\n'.join(p for p in sys.path if p)")
        (self.packages / "shared.pth").write_text(shared + "\n", encoding="utf-8")

    def install(self, *wheels: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check"]
        arguments = ["install", "--quiet", "--no-deps", "--no-index", *map(str, wheels)]
        subprocess.run([*pip, *arguments], check=True, capture_output=True, text=True)

    def run(self, *arguments: str, only: str | None = None) -> subprocess.CompletedProcess[str]:
        """acestep-core with these arguments, seeing the plugins of all distributions or `only` of some."""
        return self.python_run("-m", "acestep_core", *arguments, only=only)

    def python_run(self, *arguments: str, only: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ACESTEP"))}
        environment |= {"PYTHONUTF8": "1"} | ({"ACESTEP_PLUGINS": only} if only else {})
        command = [str(self.python), *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)

    def _ask(self, python: Path | str, expression: str) -> str:
        code = f"import sys, sysconfig; print({expression})"
        ran = subprocess.run([str(python), "-I", "-c", code], check=True, capture_output=True, text=True)
        return ran.stdout.strip()
