"""Files worked on one after another: what is wrong with one is told, and the others go on."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import click

from acestep_core.errors import FatalError, OutOfMemory, UserError

Made = TypeVar("Made")


def one_by_one(
    files: Iterable[Path], work: Callable[[Path], Made], problems: dict[str, str]
) -> Iterator[tuple[Path, Made]]:
    """Each file that could be used, and what `work` made of it. The others are told, and stand in `problems`.

    What would stop every other file as well is raised.
    """
    for path in files:
        try:
            made = work(path)
        except (OutOfMemory, FatalError):
            raise
        except UserError as e:
            problems[str(path)] = str(e)
            click.echo(f"Error: {path.name}: {e}", err=True)
            continue
        yield path, made
