"""What a folder was downloaded from, kept in it: which files are known to be right, and whether it is all there."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from acestep_core.errors import UserError
from acestep_core.files import write_json
from acestep_core.hub.listing import RemoteFile

NAME = ".download.json"
_FORMAT = 1


@dataclass
class DownloadRecord:
    source: str
    endpoint: str
    repo: str
    folder: str
    revision: str
    licence: str
    complete: bool = False
    files: dict[str, dict[str, int | str]] = field(default_factory=dict)
    """File name -> bytes, digest and modification time of one that was found right."""

    def knows(self, path: Path, file: RemoteFile) -> bool:
        """Whether this very file was found right, and nothing wrote to it since."""
        return path.is_file() and self.files.get(path.name) == _facts(path, file)

    def add(self, path: Path, file: RemoteFile) -> None:
        self.files[path.name] = _facts(path, file)

    def save(self, folder: Path) -> None:
        try:
            write_json(folder / NAME, {"format": _FORMAT, **asdict(self)})
        except OSError as e:
            problem = f"{folder / NAME} cannot be written ({e.strerror})"
            raise UserError(problem, "check the folder's permissions") from e


def read_record(folder: Path) -> DownloadRecord | None:
    """None where there is none that can be used: everything is looked at anew then."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return DownloadRecord(**content) if content.pop("format") == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _facts(path: Path, file: RemoteFile) -> dict[str, int | str]:
    found = path.stat()
    return {"bytes": found.st_size, "digest": file.digest, "modified_ns": found.st_mtime_ns}
