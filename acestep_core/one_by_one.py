"""Files worked on one after another: what is wrong with one is told, and the others go on."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from acestep_core.errors import FatalError, OutOfMemory, UserError

Made = TypeVar("Made")


def one_by_one(
    files: Iterable[Path], work: Callable[[Path], Made], on_problem: Callable[[Path, UserError], None]
) -> Iterator[tuple[Path, Made]]:
    """Each file that could be used, and what `work` made of it. What would stop every other file as well is raised."""
    for path in files:
        try:
            made = work(path)
        except (OutOfMemory, FatalError):
            raise
        except UserError as e:
            on_problem(path, e)
            continue
        yield path, made
