"""Which files a request may name: those below the server's folders, uploads and results; links are followed first."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acestep_core.bundled import FOLDER, NAMES, NANO, variant_of
from acestep_core.errors import UserError

UPLOADS, RESULTS = "uploads", "jobs"
_UPLOAD = re.compile(r"file:([0-9a-f]{16})")
_RESULT = re.compile(r"job:([0-9a-f]{16})/(.+)")


class Places:
    """The folders of a server."""

    def __init__(self, roots: Sequence[Path], state: Path):
        self.roots, self.state = [p.resolve() for p in roots], state.resolve()
        self._allowed = [*self.roots, self.state / UPLOADS, self.state / RESULTS]

    def find(self, text: str | Path) -> Path:
        """The file or folder that is meant, which need not exist: a path, file:ID of an upload, or job:ID/NAME.

        Raises `UserError` for one that lies elsewhere. A relative path begins in the first root.
        """
        text = str(text)
        if upload := _UPLOAD.fullmatch(text):
            return self._only_file(self.state / UPLOADS / upload[1], text)
        if result := _RESULT.fullmatch(text):
            return self._inside(self._attempt(result[1], text) / result[2], text)
        return self._inside(self.roots[0] / text, text)

    def model(self, text: str | Path, variant: str | None = None) -> tuple[Path, str | None]:
        """As `find`, for a folder with models: (folder, variant), where a name of the bundled model means one.

        A folder of that name in the first root goes before. Raises `UserError` also where name and variant contradict.
        """
        name = str(text)
        if name == str(FOLDER):
            return FOLDER, variant
        if name in NAMES and not (self.roots[0] / name).exists():
            return FOLDER, variant_of(name, variant)
        return self.find(name), variant

    def job_folder(self, job: str) -> Path:
        return self.state / RESULTS / job

    def _inside(self, path: Path, said: str) -> Path:
        try:
            found = path.resolve()
        except (OSError, ValueError, RuntimeError):
            raise UserError(f"'{said[:200]}' is no path", "correct it") from None
        own = found.is_relative_to(self.state)  # which may lie in a root, and whose database is nobody's
        allowed = self._allowed[len(self.roots) :] if own else self._allowed
        if not any(found.is_relative_to(folder) for folder in allowed):
            hint = "start the server with --root FOLDER, or send the file: POST /v1/files"
            raise UserError(f"'{said}' lies outside of the folders of this server", hint)
        return found

    def _only_file(self, folder: Path, said: str) -> Path:
        found = [p for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []
        if len(found) != 1:
            raise UserError(f"There is no upload '{said.removeprefix('file:')}'", "send the file again: POST /v1/files")
        return self._inside(found[0], said)

    def _attempt(self, job: str, said: str) -> Path:
        attempts = sorted(self.job_folder(job).glob("*")) if self.job_folder(job).is_dir() else []
        if not attempts:
            raise UserError(f"'{said}' is no result", "its job has none, or is not kept any more: GET /v1/jobs")
        return attempts[-1]


def model_name(folder: Path, variant: str | None) -> str:
    """What a folder with models is called: by its name where it is that of the bundled model."""
    return next((n for n, v in NAMES.items() if v == variant), NANO) if folder == FOLDER else str(folder)


def plugin_option(value: Any, places: Places) -> Any:
    """An option of a plugin as a request may give it: folders of the server only, and no address.

    A key of a service goes to the address that an option names, so that only who starts the server may say it.
    """
    if isinstance(value, list | tuple):
        return [plugin_option(v, places) for v in value]
    if not isinstance(value, str):
        return value
    if "://" in value:
        raise UserError(
            f"The address '{value}' cannot be given in a request", "write it into the server's acestep.toml"
        )
    outside = value.startswith(("/", "~", "\\")) or ".." in Path(value).parts or value.startswith(("file:", "job:"))
    return str(places.find(value)) if outside or _exists(places.roots[0] / value) else value


def _exists(path: Path) -> bool:
    try:
        return path.name != "" and path.exists()
    except (OSError, ValueError):
        return False
