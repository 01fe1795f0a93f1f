"""Questions whose answer takes PyTorch, asked of the program itself, so that an idle server stays small."""

import json
import os
import subprocess
import sys
from typing import Any

from acestep_core.errors import UserError

PROGRAM = [sys.executable, "-m", "acestep_core"]
_TIME_S = 300.0


def same_packages() -> dict[str, str]:
    """The environment of a process that finds the packages of this one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def ask_program(*words: str) -> Any:
    """What `acestep-core ... --json` prints. Raises `UserError` with what it says where it prints nothing."""
    command = [*PROGRAM, *words, "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_S, stdin=subprocess.DEVNULL,
                              env=same_packages())  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"{' '.join(words[:2])} took longer than {_TIME_S:g} s", "ask again") from None
    except (OSError, ValueError) as e:  # of words that no program can be told: too long, with a zero in them
        why = e.strerror if isinstance(e, OSError) else e
        raise UserError(f"{' '.join(words[:2])} cannot be asked that ({why})", "ask for less, in plain words") from None
    try:
        return json.loads(done.stdout)
    except ValueError:
        pass
    said = done.stderr.partition("Error: ")[2].strip() or done.stderr.strip()[-500:] or "It said nothing"
    problem, _, hint = said.rpartition("\n  ") if "\n  " in said else (said, "", "")
    raise UserError(problem, hint)
