"""Files that clients send, small enough and few enough: audio, listened to before it is kept, and a few plain texts."""

import json
import math
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Any, BinaryIO

from acestep_core.errors import UserError
from acestep_core.files import decode_text
from acestep_core.sidecars import JSON_FIELDS, MARKS
from acestep_plugins.commands.serve.listening import CONTAINERS, listen_apart
from acestep_plugins.commands.serve.places import UPLOADS
from acestep_plugins.commands.serve.settings import ServeSettings
from acestep_plugins.commands.serve.store import QueueFull, Store

# Requests and datasets can name other files, which none of these may: JSON is taken as the labels of a song alone.
TEXTS = (".csv", ".json", ".lrc", ".srt", ".txt", ".vtt")
_TEXT_MB = 1.0
_BLOCK = 1 << 20
_LONGEST_NAME = 150
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:]|^\.|\.\.")


class TooLarge(UserError):
    """More bytes than the server takes."""


class Uploads:
    """The files that were sent, each in a folder of its own."""

    def __init__(self, store: Store, settings: ServeSettings):
        self._store, self._settings = store, settings
        self._folder = settings.folder / UPLOADS

    def receive(self, name: str, content: BinaryIO, texts: bool = False) -> dict[str, Any]:
        """Keep audio, and with `texts` a table, lyrics, a caption or a list of prompts.

        Raises `UserError` for a name, a size or a content that is not taken.
        """
        _check_name(name, (*CONTAINERS, *TEXTS) if texts else tuple(CONTAINERS))
        kept = self._store.database.read().execute("SELECT count(*) FROM uploads").fetchone()[0]
        if kept >= self._settings.max_uploads:
            raise QueueFull(f"There are {kept} files already", "delete some: DELETE /v1/files/ID")
        upload = secrets.token_hex(8)
        folder = self._folder / upload
        folder.mkdir(parents=True)
        try:
            path = folder / name
            is_text = path.suffix.lower() in TEXTS
            self._write(content, path, min(self._settings.max_upload_mb, _TEXT_MB if is_text else math.inf))
            known = read_through(path) if is_text else listen_apart(path, self._settings.max_upload_s)
            about = {"file": name, "size": path.stat().st_size, **known}
            with self._store.database.write() as db:
                row = (upload, name, str(path), json.dumps(about), time.time())
                db.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?)", row)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return {"id": upload, "name": f"file:{upload}", **about}

    def all(self) -> list[dict[str, Any]]:
        rows = self._store.database.read().execute("SELECT id, about FROM uploads ORDER BY created_at DESC")
        return [{"id": r["id"], "name": f"file:{r['id']}", **json.loads(r["about"])} for r in rows]

    def path(self, upload: str) -> Path:
        """Raises `LookupError` where there is none."""
        row = self._store.database.read().execute("SELECT path FROM uploads WHERE id = ?", (upload,)).fetchone()
        if row is None:
            raise LookupError(upload)
        return Path(row["path"])

    def delete(self, upload: str) -> None:
        path = self.path(upload)
        with self._store.database.write() as db:
            db.execute("DELETE FROM uploads WHERE id = ?", (upload,))
        shutil.rmtree(path.parent, ignore_errors=True)

    def sweep(self, before: float) -> None:
        """Drop what was sent by then and no job waits for."""
        needed = self._store.needed()
        rows = self._store.database.read().execute("SELECT id FROM uploads WHERE created_at < ?", (before,)).fetchall()
        for row in rows:
            if row["id"] not in needed:
                self.delete(row["id"])

    def _write(self, content: BinaryIO, path: Path, most_mb: float) -> None:
        left = round(most_mb * 1e6)
        with path.open("wb") as file:
            while block := content.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise TooLarge(f"The file has more than {most_mb:g} MB", "send a smaller one")
                file.write(block)


def read_through(path: Path) -> dict[str, Any]:
    """How many lines a text has. Raises `UserError` for what is none."""
    try:
        text = decode_text(path.read_bytes())
    except UserError as e:
        raise UserError(f"The file {e.problem}", e.hint) from None
    odd = _CONTROL.search(text)
    if odd:
        raise UserError(f"The file is no plain text: it has the character {ord(odd[0]):#04x}", "save it again as UTF-8")
    if path.suffix.lower() == ".json":
        _check_labels(text)
    return {"lines": len(text.splitlines())}


def _check_labels(text: str) -> None:
    hint = 'send labels such as {"caption": "...", "bpm": 120}; what is more goes into a request'
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise UserError(f"The file is no valid JSON ({e})", hint) from None
    other = sorted({*labels} - {*JSON_FIELDS, MARKS})[:3] if isinstance(labels, dict) else ["a list or a value"]
    if other:
        raise UserError(f"The file holds more than the labels of a song: {', '.join(other)}", hint)


def _check_name(name: str, endings: tuple[str, ...]) -> None:
    if not name or len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME or _UNSAFE.search(name):
        raise UserError(f"{name[:_LONGEST_NAME]!r} is no name of a file", "send a plain name such as song.wav")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError("The name of the file is no Unicode", "send a plain name such as song.wav") from None
    if Path(name).suffix.lower() not in endings:
        raise UserError(f"'{name}' is nothing that is taken", f"send {', '.join(endings)}")
