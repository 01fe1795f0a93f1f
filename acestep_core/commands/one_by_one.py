"""`acestep_core.one_by_one` with problems told on stderr."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from acestep_core import one_by_one as core
from acestep_core.errors import UserError


def one_by_one(
    files: Iterable[Path], work: Callable[[Path], core.Made], problems: dict[str, str]
) -> Iterator[tuple[Path, core.Made]]:
    """The files that could be used; the others are told, and stand in `problems`."""

    def tell(path: Path, problem: UserError) -> None:
        problems[str(path)] = str(problem)
        click.echo(f"Error: {path.name}: {problem}", err=True)

    return core.one_by_one(files, work, tell)
