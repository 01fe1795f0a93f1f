"""`python .ci/install.py PYTHON ARGUMENTS` is `PYTHON -m pip install ARGUMENTS` by uv, which takes a tenth of the time.

What pip was told of its package index, in files or in the environment, is passed on. Where uv has no word for it or
cannot be had, pip does the work and it is said why.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

FLAGS = {"index-url": "--default-index", "extra-index-url": "--index", "find-links": "--find-links",
         "trusted-host": "--allow-insecure-host"}  # fmt: skip
VARIABLES = {"cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY"}
# None of them changes what is installed.
LEFT_OUT = {"timeout", "default-timeout", "retries", "disable-pip-version-check", "cache-dir",
            "no-cache-dir", "quiet", "no-input", "progress-bar", "no-color", "root-user-action"}  # fmt: skip


class UvCannot(Exception):
    """Why."""


def main(target: str, *arguments: str) -> int:
    try:
        by_uv(target, *arguments)
    except UvCannot as why:
        print(f"{why}: pip installs instead of uv", file=sys.stderr)
        return subprocess.run([target, "-m", "pip", "install", "--quiet", *arguments]).returncode
    return 0


def by_uv(target: str, *arguments: str) -> None:
    told = settings()
    if strange := [key for key in told if key not in {*FLAGS, *VARIABLES, *LEFT_OUT}]:
        raise UvCannot(f"pip is told {strange[0]}, for which uv has no word")
    index = [word for key, flag in FLAGS.items() for value in told.get(key, "").split() for word in (flag, value)]
    variables = {variable: told[key] for key, variable in VARIABLES.items() if key in told}
    command = [uv(), "pip", "install", "--quiet", "--python", target, "--index-strategy", "unsafe-best-match"]
    if subprocess.run([*command, *index, *arguments], env=variables | os.environ).returncode:
        raise UvCannot("uv failed")


def uv() -> str:
    """Where it is, in the environment of this Python."""
    made = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "uv"], capture_output=True, text=True)
    if made.returncode:
        raise UvCannot(f"pip cannot install uv ({made.stderr.strip().splitlines()[-1]})")
    return str(Path(sys.executable).with_name("uv"))


def settings() -> dict[str, str]:
    """What pip was told, the environment before the files and what is for `pip install` before the rest."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    lines = [line.partition("=") for line in listed.stdout.splitlines()]
    return {
        name.removeprefix(f"{section}."): ast.literal_eval(value)
        for section in ("global", "install", ":env:")
        for name, _, value in lines
        if name.startswith(f"{section}.")
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
