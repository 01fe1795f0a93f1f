"""What a download will do, found out before anything is written: which files, how many bytes, whether there is room."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from acestep_core.errors import FatalError, UserError
from acestep_core.hub.catalogue import CARD, NEEDED, Part, find, wanted
from acestep_core.hub.listing import Hub, Listing, RemoteFile, licence
from acestep_core.hub.record import DownloadRecord, read_record
from acestep_core.hub.transfer import Transfer, partial, size_of
from acestep_core.installed import examine, kind_of

SPARE = 64 * 1024 * 1024  # what must stay free besides

State = Literal["known", "there", "missing"]


@dataclass(frozen=True)
class PlannedFile:
    file: RemoteFile
    path: Path
    state: State
    """Known to be right; there with the right size, so that its hash decides; to be fetched."""
    have: int
    """Bytes that need not be fetched."""

    @property
    def fetch(self) -> int:
        return self.file.size - self.have


@dataclass(frozen=True)
class PlannedPart:
    part: Part
    folder: Path
    listing: Listing
    licence: str
    card: str
    """The model card's text."""
    files: tuple[PlannedFile, ...]
    left_out: tuple[str, ...]
    """Files beside them that are never fetched."""

    @property
    def fetch(self) -> int:
        return sum(f.fetch for f in self.files)

    @property
    def size(self) -> int:
        return sum(f.file.size for f in self.files)


@dataclass(frozen=True)
class Plan:
    hub: Hub
    to: Path
    parts: tuple[PlannedPart, ...]
    problems: tuple[UserError, ...] = ()
    """Of names that cannot be had; the others can."""

    @property
    def fetch(self) -> int:
        return sum(p.fetch for p in self.parts)


@dataclass
class _Asked:
    """The hub's answers so far: parts of one repository are asked for once."""

    hub: Hub
    transfer: Transfer
    listings: dict[tuple[str, str | None], Listing]

    def listing(self, repo: str, revision: str | None) -> Listing:
        key = (repo, revision)
        if key not in self.listings:
            self.listings[key] = self.hub.listing(repo, revision)
        return self.listings[key]

    def text(self, listing: Listing, path: str) -> str:
        file = listing.files.get(path)
        return self.transfer.text(self.hub.address(listing, file), file) if file else ""


def make_plan(
    names: Sequence[str], to: Path, transfer: Transfer, revision: str | None = None, parts: bool = True,
    force: bool = False,
) -> Plan:  # fmt: skip
    """What fetching these names into folder `to` takes, with the parts that models among them need.

    `parts=False` leaves those out; `force` takes nothing on disk for right. Raises `FatalError` where the hub cannot
    be asked at all.
    """
    asked = _Asked(transfer.hub, transfer, {})
    planned: dict[str, PlannedPart] = {}
    problems: list[UserError] = []
    for name in dict.fromkeys(names):
        try:
            for part in find(name):
                _check_free(part, to, planned, force)
                planned[part.name] = _planned(part, to, asked, revision, force)
        except FatalError:
            raise
        except UserError as e:
            problems.append(e)
    if parts and any(p.part.kind == "model" for p in planned.values()):
        repos = {p.part.repo for p in planned.values()}
        for part in _lacking(to, planned):
            same = revision if part.repo in repos else None
            planned[part.name] = _planned(part, to, asked, same, force)
    return Plan(transfer.hub, to, tuple(planned.values()), tuple(problems))


def check_room(plan: Plan) -> None:
    """Raise `UserError` if what is still to be fetched does not fit on the disk."""
    free = free_bytes(plan.to)
    if plan.fetch and plan.fetch + SPARE > free:
        raise UserError(
            f"{plan.to} has room for {free / 1e9:.2f} GB and {plan.fetch / 1e9:.2f} GB are still to be fetched",
            "make room, or give another folder with --to DIR",
        )


def free_bytes(folder: Path) -> int:
    """Room on the disk that a folder, which need not exist yet, is on."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.is_dir())
    return shutil.disk_usage(there).free


def _lacking(to: Path, planned: dict[str, PlannedPart]) -> Iterator[Part]:
    for part in NEEDED:
        if part.name not in planned and examine(to / part.name).problems:
            yield part


def _check_free(part: Part, to: Path, planned: Mapping[str, PlannedPart], force: bool) -> None:
    """Refuse to mix two repositories in a folder."""
    folder, other = to / part.name, planned.get(part.name)
    if other and (other.part.repo, other.part.folder) != (part.repo, part.folder):
        problem = f"{part.repo} and {other.part.repo} would both be put into {folder}"
        raise UserError(problem, "fetch one of them --to another folder")
    record = read_record(folder)
    foreign = record.repo != part.repo if record else part.kind == "other" and any(folder.glob("[!.]*"))
    if foreign and not force:
        holds = f"what came from {record.repo}" if record else "what did not come from there"
        raise UserError(f"{folder} holds {holds}, so {part.repo} is not put there",
                        "give another folder with --to DIR, or --force to replace it")  # fmt: skip


def _planned(part: Part, to: Path, asked: _Asked, revision: str | None, force: bool) -> PlannedPart:
    listing = asked.listing(part.repo, revision)
    paths = list(wanted(listing.files, part.folder))
    _check(part, listing, paths)
    if part.kind == "other":
        config = asked.text(listing, _inside(part, "config.json"))
        part = replace(part, kind=kind_of(config) or "other")
    card = asked.text(listing, _inside(part, CARD)) or asked.text(listing, CARD)
    folder = to / part.name
    record = None if force else read_record(folder)
    files = tuple(_file(listing.files[p], folder / Path(p).name, record, force) for p in paths)
    beside = {p for p in listing.files if p.rpartition("/")[0] == part.folder}
    return PlannedPart(part, folder, listing, licence(card), card, files, tuple(sorted(beside - set(paths))))


def _check(part: Part, listing: Listing, paths: Sequence[str]) -> None:
    """Refuse what has no weights that can be read safely."""
    if any(p.endswith(".safetensors") for p in paths):
        return
    where = f"{part.repo}/{part.folder}" if part.folder else part.repo
    weights = {p.rpartition("/")[0] for p in listing.files if p.endswith(".safetensors")}
    inside = sorted(w for w in weights if w.startswith(f"{part.folder}/" if part.folder else "") and w != part.folder)
    if inside:
        raise UserError(f"{where} has its weights in folders", f"say which: {part.repo}/{inside[0]}")
    raise UserError(f"{where} has no weights as .safetensors", "ask its author for them; other formats can hold code")


def _file(file: RemoteFile, path: Path, record: DownloadRecord | None, force: bool) -> PlannedFile:
    if record and record.knows(path, file):
        return PlannedFile(file, path, "known", file.size)
    if not force and path.is_file() and size_of(path) == file.size:
        return PlannedFile(file, path, "there", file.size)
    return PlannedFile(file, path, "missing", min(size_of(partial(path, file)), file.size))


def _inside(part: Part, name: str) -> str:
    return f"{part.folder}/{name}" if part.folder else name
