"""The call as something to keep: a shell command, a shell or Python script, or a clean TOML for --config_file."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from acestep_core.config import dump_toml
from acestep_kohya.arguments import WHOLE
from acestep_kohya.call import Call

LOOSE = "arguments"
"""The table for what stood outside of every table."""


def as_command(argv: Sequence[str], first: int) -> str:
    """Lines for a shell, an argument on each after the `first` words; quoted, so that nothing in them is done."""
    lines = [shlex.join(argv[:first]), *_grouped(argv[first:])]
    return " \\\n  ".join(lines)


def as_shell_script(argv: Sequence[str], first: int) -> str:
    return f"#!/usr/bin/env bash\nset -euo pipefail\n\nexec {as_command(argv, first)}\n"


def as_python_script(argv: Sequence[str]) -> str:
    """A list without a shell, so that no value needs quotes."""
    lines = "".join(f"    {json.dumps(word, ensure_ascii=False)},\n" for word in argv)
    return f'"""Starts the training."""\n\nimport subprocess\nimport sys\n\nCOMMAND = [\n{lines}]\n\n' \
           'if __name__ == "__main__":\n    sys.exit(subprocess.run(COMMAND).returncode)\n'  # fmt: skip


def as_toml(call: Call) -> str:
    """The file for --config_file, which converts nothing: each value has the type that the script works with."""
    tables: dict[str, dict[str, Any]] = {}
    for name, value in call.values.items():
        section = call.rows[name].section or LOOSE
        tables.setdefault(section, {})[name] = _native(call, name, value)
    return dump_toml(tables)


def _native(call: Call, name: str, value: Any) -> Any:
    whole = call.argument(name).type == WHOLE and isinstance(value, float)
    return int(value) if whole else value


def _grouped(words: Sequence[str]) -> list[str]:
    """An option and the values that follow it are one line."""
    groups: list[list[str]] = []
    for word in words:
        if word.startswith("--") or not groups:
            groups.append([word])
        else:
            groups[-1].append(word)
    return [shlex.join(group) for group in groups]
