"""Many requests out of one: another seed each, or what the lines of a file say of each."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError, raise_all
from acestep_core.files import read_text
from acestep_core.options import parse_options
from acestep_core.request import GenerateRequest
from acestep_core.tasks import Task, task_named

_SHARED = ("solver", "schedule")  # their options stand once, on the command line


def repeated(request: GenerateRequest, count: int) -> Iterator[GenerateRequest]:
    """The request so often: with its seed, the seeds after it, or without one, each with a seed of its own."""
    for i in range(count):
        yield request if request.seed is None else replace(request, seed=request.seed + i)


def read_items(path: Path, base: GenerateRequest) -> list[GenerateRequest]:
    """A request per line of a JSON Lines file: an object with what differs from `base`, named as in a record.

    `task` is an object with a `name`; files are looked for beside the file. Raises `UserError` with every wrong line.
    """
    try:
        lines = [(n, line) for n, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    except OSError as e:
        raise UserError(f"{path} cannot be read ({e.strerror})", "check the path") from e
    if not lines:
        raise UserError(f"{path} is empty", 'write a line such as {"caption": "a slow waltz", "seed": 1} per clip')
    found, errors = [], []
    for number, line in lines:
        try:
            found.append(_item(line, base, path.parent, f"{path.name} line {number}"))
        except UserError as e:
            errors.append(e)
    raise_all(errors, str(path))
    return found


def _item(line: str, base: GenerateRequest, folder: Path, where: str) -> GenerateRequest:
    try:
        given = json.loads(line)
    except ValueError as e:
        raise UserError(f"{where} is no JSON ({e})", 'write an object such as {"caption": "a slow waltz"}') from e
    if not isinstance(given, dict):
        raise UserError(f"{where} is no object", 'write {"caption": "a slow waltz"}')
    return item_of(given, base, folder, where)


def item_of(about: Mapping[str, Any], base: GenerateRequest, folder: Path, where: str) -> GenerateRequest:
    """The request that differs from `base` by what is said; files are looked for in `folder`."""
    given = dict(about)
    shared = [name for name in _SHARED if name in given]
    if shared:
        raise UserError(f"{where}: all clips of a run have one {shared[0]}", f"give it with --{shared[0]}")
    about_task = given.pop("task", None)
    values, errors = parse_options(GenerateRequest, _beside(given, ("timbre",), folder), where)
    raise_all(errors, where)
    return replace(base, **values, **({} if about_task is None else {"task": task_of(about_task, folder, where)}))


def task_of(about: Any, folder: Path, where: str) -> Task:
    """The task of an object with a `name` and its fields; files are looked for in `folder`."""
    if not isinstance(about, dict) or "name" not in about:
        raise UserError(f"{where}: task has no name", 'write "task": {"name": "cover", "source": "song.wav"}')
    kind = task_named(str(about["name"]))
    fields = {k: v for k, v in about.items() if k != "name"}
    values, errors = parse_options(kind, _beside(fields, ("source",), folder), where)
    raise_all(errors, where)
    return kind(**values)


def _beside(given: Mapping[str, Any], files: tuple[str, ...], folder: Path) -> dict[str, Any]:
    return {k: str(folder / v) if k in files and isinstance(v, str) else v for k, v in given.items()}
