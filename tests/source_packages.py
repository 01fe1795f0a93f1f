"""Packages installed from source into a folder of their own, and their own tests run against that."""

import os
import subprocess
import sys
from pathlib import Path


def install(target: Path, *packages: Path) -> Path:
    """What `pip install` makes of the packages, in `target`; nothing is downloaded, the environment stays as it is."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
    ran = subprocess.run([*pip, *offline, *map(str, packages)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return target


def run_tests(package: Path, target: Path) -> str:
    """What the package's own tests print, run in its folder with what `install` put into `target`; they must pass."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "ACESTEP"))}
    environment |= {"PYTHONPATH": str(target), "PYTHONDONTWRITEBYTECODE": "1"}
    # -P: not the sources in the current folder, the installed package is what they test.
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
