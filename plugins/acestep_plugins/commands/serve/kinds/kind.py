"""What a kind of job is: what it is asked, and the function that does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from acestep_core.errors import UserError
from acestep_core.options import option
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape

MODEL, FOLDERS, QUICK = LANES = ("model", "folders", "quick")
"""One job at a time works in each: with a model, on songs' folders and files alone, or what a person waits for."""


class Desk(Protocol):
    """What a job has while it is worked on."""

    folder: Path
    """Its own; every file in it is a result."""
    attempt: int
    """More than 1 where a worker died before that had the job: what it was to write may be there, or part of it."""
    config: dict[str, Any]
    """The settings file of the server."""

    def progress(
        self, stage: str, done: int, total: int | None, text: str = "", item: int | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """How far it is; `values` are numbers that change on the way, such as the loss."""

    def note(self, text: str) -> None:
        """A sentence for whoever asked."""

    def ready(self, path: Path, name: str | None = None) -> None:
        """A file can be fetched already; one that is not in the folder of the job needs a name."""

    def model(self, asked: Asked) -> Any:
        """The model that is asked for, opened once for all jobs that ask for the same."""

    def lm(self, asked: Asked) -> tuple[Any, int | None]:
        """The language model of that model that fits, and how many songs it takes at once, if it can say."""

    def release(self) -> None:
        """Let go of the model."""

    def loaded(self) -> dict[str, Any]:
        """What is in memory."""

    def keep(self, name: str, value: Any) -> None:
        """A fact that the server remembers."""


@dataclass(frozen=True)
class Kind:
    """`check` raises `UserError` for what makes no sense, before a job is accepted; `work` gives the result as JSON."""

    name: str
    about: str
    shape: Shape
    work: Callable[[Asked, Desk], dict[str, Any]]
    check: Callable[[Asked], None] = lambda asked: None
    complete: Callable[[Asked], Asked] = lambda asked: asked
    """What is left to chance is settled when a job is accepted, so that each attempt does the same."""
    lane: str = MODEL
    limited: bool = True
    """Whether the server's time limit holds where the request has none."""
    grace_s: float = 5.0
    """How long it may take to stop by itself."""


def must_exist(path: Path) -> None:
    """For `Kind.check`."""
    if not path.exists():
        raise UserError(f"There is no {path}", "correct the path")


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which model, and what runs it; what the server has loaded unless given."""

    model: Path | None = option(
        None, "folder with the checkpoints, or nano or nano-base, which come along; the server's unless given"
    )
    variant: str | None = option(None, "which model, when the folder holds several")
    backend: str | None = option(None, "backend plugin that runs the model", plugin="backends")
    lm: str | None = option(None, "which language model; the largest that fits unless given")
    lm_backend: str | None = option(
        None, "backend plugin that runs the language model; the model's unless given", plugin="backends"
    )


BACKENDS = {"backend": ("backends", "backend"), "lm_backend": ("backends", "lm_backend")}
