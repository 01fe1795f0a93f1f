"""The environment that runs a script: sd-scripts needs versions of its own, so it is never that of acestep-core."""

import os
import shutil
from pathlib import Path

from acestep_core import UserError

FORMS = "venv:FOLDER, conda:NAME or python:PROGRAM"
_VENVS = ("venv", ".venv")


def python_of(spec: str | None, scripts: Path | None, base: Path = Path()) -> list[str]:
    """The words that start its Python; a path counts from `base`. Without a spec, the venv inside the scripts' folder.

    Raises `UserError` if there is no such environment.
    """
    if not spec:
        return [str(_beside(scripts))]
    kind, colon, name = spec.partition(":")
    if not colon or not name or kind not in ("venv", "conda", "python"):
        raise UserError(f"'{spec}' is no environment", f"write {FORMS}")
    if kind == "conda":
        return ["conda", "run", "--no-capture-output", "-n", name, "python"]
    path = base / Path(name).expanduser()
    if kind == "python":
        if os.sep not in name and shutil.which(name):
            return [name]
        return [str(_program(path, f"There is no Python at {path}"))]
    return [str(_program(_python_in(path), f"There is no virtual environment in {path}"))]


def launched(python: list[str], script: Path | str, threads: int | None) -> list[str]:
    """The words up to the script's own arguments, through accelerate where its number of threads is given."""
    through = ["-m", "accelerate.commands.launch", f"--num_cpu_threads_per_process={threads}"] if threads else []
    return [*python, *through, str(script)]


def _beside(scripts: Path | None) -> Path:
    known = [_python_in(scripts / name) for name in _VENVS] if scripts else []
    for python in known:
        if python.is_file():
            return python.absolute()
    raise UserError("It is not said which environment runs the script", f"give --env {FORMS}")


def _python_in(venv: Path) -> Path:
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def _program(path: Path, problem: str) -> Path:
    if not path.is_file():
        raise UserError(problem, f"give {FORMS}")
    return path.absolute()  # not resolved: the link's target is the Python outside of the environment
