"""Carries out a plan: every file fetched or found right, then the record that says the folder is complete."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from acestep_core.errors import FatalError, UserError
from acestep_core.files import write_text
from acestep_core.hub.catalogue import CARD
from acestep_core.hub.listing import Hub
from acestep_core.hub.plan import Plan, PlannedFile, PlannedPart
from acestep_core.hub.record import DownloadRecord, read_record
from acestep_core.hub.transfer import Told, Transfer, difference

SOURCES = ("huggingface", "modelscope")
_LOCK = ".lock"

OnFile = Callable[[PlannedFile, int], None]
"""Hears of a file that is looked at, of bytes that were added to it, or taken away when it is begun anew."""


@dataclass(frozen=True)
class Fetched:
    planned: PlannedPart
    problem: UserError | None = None


def open_hub(source: str, endpoint: str | None = None) -> Hub:
    """The hub called `source`; `endpoint` is a mirror's address, or else the environment's or the library's own."""
    if source not in SOURCES:
        raise UserError(f"There is no source '{source}'", f"known: {', '.join(SOURCES)}")
    if source == "huggingface":
        from acestep_core.hub.huggingface import HuggingFace as Opened
    else:
        from acestep_core.hub.modelscope import ModelScope as Opened
    hub: Hub = Opened(endpoint)
    if not re.match(r"https?://[^/@]+(/|$)", hub.endpoint):  # it is shown and recorded
        raise UserError("The hub's endpoint is no http address without a password", "try https://HOST")
    return hub


def download(plan: Plan, transfer: Transfer, on_file: OnFile = lambda file, added: None) -> Iterator[Fetched]:
    """Each part as it is complete, or with what kept it from it; an error that all would meet is raised.

    Whether there is room for it is asked before with `check_room`.
    """
    for planned in plan.parts:
        try:
            _fetch(planned, transfer, on_file)
        except FatalError:
            raise
        except UserError as e:
            yield Fetched(planned, e)
        else:
            yield Fetched(planned)


def _fetch(planned: PlannedPart, transfer: Transfer, on_file: OnFile) -> None:
    with _alone(planned.folder):
        old = read_record(planned.folder)
        listing, part, hub = planned.listing, planned.part, transfer.hub
        record = DownloadRecord(hub.name, hub.endpoint, part.repo, part.folder, listing.revision, planned.licence)
        if old:
            record.files = dict(old.files)
        record.save(planned.folder)
        for file in planned.files:
            on_file(file, 0)
            if file.state == "missing" or (file.state == "there" and difference(file.path, file.file)):
                _one(planned, file, transfer, on_file)
            record.add(file.path, file.file)
            record.save(planned.folder)
        names = {f.path.name for f in planned.files}
        record.files = {n: facts for n, facts in record.files.items() if n in names}
        if planned.card and CARD not in names:
            write_text(planned.folder / CARD, planned.card)
        record.complete = True
        record.save(planned.folder)


def _one(planned: PlannedPart, file: PlannedFile, transfer: Transfer, on_file: OnFile) -> None:
    if file.state == "there":  # its size was right and its content is not
        on_file(file, -file.have)
    told: Told = lambda added: on_file(file, added)
    transfer.fetch(transfer.hub.address(planned.listing, file.file), file.file, file.path, told)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two programs that append to one file would spoil it."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, timeout=0):
            try:
                yield
            finally:
                with suppress(OSError):
                    (folder / _LOCK).unlink()
    except Timeout as e:
        raise UserError(f"Another program downloads into {folder}", "wait until it has ended") from e
    except OSError as e:
        raise FatalError(f"{folder} cannot be written ({e.strerror})", "check its permissions, or --to DIR") from e
