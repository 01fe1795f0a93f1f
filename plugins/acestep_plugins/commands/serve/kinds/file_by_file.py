"""A job's files, one after the other: one that cannot be used does not keep the others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_core.one_by_one import one_by_one
from acestep_plugins.commands.serve.kinds.kind import Desk


def file_by_file(
    files: list[Path], desk: Desk, work: Callable[[Path], dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What came of each file, and problems by file; if all have one, the first is raised."""
    problems: dict[Path, UserError] = {}
    done = []
    for path, made in one_by_one(dict.fromkeys(files), work, problems.__setitem__):
        done.append({"file": str(path), **made})
        desk.progress("files", len(done) + len(problems), len(files), path.name)
    if not done and problems:
        raise next(iter(problems.values()))
    return done, {str(path): str(e) for path, e in problems.items()}
