"""A job that puts files which were sent into a folder of songs, each under its name."""

import filecmp
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_core.options import option
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.file_by_file import file_by_file
from acestep_plugins.commands.serve.kinds.kind import FOLDERS, Desk, Kind


@dataclass(frozen=True, kw_only=True)
class Gathering:
    """Which, and where to."""

    files: list[Path] = option(help="songs, and texts that belong to them")
    folder: Path = option(Path("songs"), "folder of songs, which is made where there is none")


def gather(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Nothing that is there is replaced; a file that is there already, byte for byte, is kept."""
    about = asked[Gathering]
    about.folder.mkdir(parents=True, exist_ok=True)
    done, problems = file_by_file(about.files, desk, lambda path: {"new": _copied(path, about.folder)})
    added, kept = ([Path(each["file"]).name for each in done if each["new"] is new] for new in (True, False))
    return {"folder": str(about.folder), "added": added, "kept": kept,
            "problems": {Path(path).name: [text] for path, text in problems.items()}}  # fmt: skip


def _copied(path: Path, folder: Path) -> bool:
    """Whether it was not there before."""
    there = folder / path.name
    if not path.is_file():
        raise UserError(f"There is no file {path.name}", "send it again: POST /v1/files")
    if there.exists():
        if there.is_file() and filecmp.cmp(path, there, shallow=False):
            return False
        hint = "send it under another name, or move the other one away"
        raise UserError(f"There is another {path.name} in {folder} already", hint)
    part = folder / f".{path.name}.tmp"
    shutil.copyfile(path, part)
    part.replace(there)
    return True


def _check(asked: Asked) -> None:
    about = asked[Gathering]
    if not about.files:
        raise UserError("There is nothing to add", "name the files that were sent in files")
    if about.folder.exists() and not about.folder.is_dir():
        raise UserError(f"{about.folder} is no folder", "name a folder")


GATHER = Kind(
    name="add_songs",
    about="Put files that were sent into a folder of songs.",
    shape=Shape(flat=(Gathering,)),
    work=gather,
    check=_check,
    lane=FOLDERS,
    limited=False,
)
