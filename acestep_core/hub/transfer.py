"""Fetches one file: from where it stopped, in a file of another name until size and hash are right."""

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core.errors import FatalError, UserError
from acestep_core.hub.listing import Address, Hub, RemoteFile, refused, unreachable

if TYPE_CHECKING:
    import httpx

_CONNECT_S, _PAUSE_S = 10.0, 60.0  # to connect; between two pieces of a file
_BLOCK = 1 << 20
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0
_RETRIED = (408, 425, 429, 500, 502, 503, 504)

Told = Callable[[int], None]
"""Hears of bytes that were added, or taken away when a file is begun anew."""


def partial(target: Path, file: RemoteFile) -> Path:
    """Where the bytes go until they are complete; another version of the file has another name."""
    return target.with_name(f".{target.name}.{file.digest[:12] or file.size}.part")


def size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def difference(path: Path, file: RemoteFile) -> str:
    """What is wrong with a file on disk; empty if it is what the hub says."""
    if size_of(path) != file.size:
        return f"it has {size_of(path)} bytes and should have {file.size}"
    if file.sha256:
        kind, digest = "sha256", hashlib.sha256()
    elif file.blob:
        kind, digest = "git's sha1", hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    else:
        return ""
    with path.open("rb") as f:
        while block := f.read(_BLOCK):
            digest.update(block)
    right = digest.hexdigest() == file.digest
    return "" if right else f"its {kind} is {digest.hexdigest()[:12]}... and should be {file.digest[:12]}..."


class Transfer:
    """Fetches files of one hub. A connection that breaks is taken up again as long as bytes arrive."""

    def __init__(self, hub: Hub, tries: int = 5):
        import httpx

        self.hub, self.tries = hub, tries
        self.sleep: Callable[[float], None] = time.sleep
        self._client = httpx.Client(
            timeout=httpx.Timeout(_PAUSE_S, connect=_CONNECT_S), follow_redirects=True,
            headers={"Accept-Encoding": "identity"},  # sizes are those of the file
        )  # fmt: skip

    def text(self, address: Address, file: RemoteFile) -> str:
        """A small text file."""
        import httpx

        for left in range(self.tries - 1, -1, -1):
            try:
                answer = self._client.get(address.url, headers=dict(address.headers))
            except httpx.RequestError as e:
                if not left:
                    raise unreachable(self.hub, e) from e
            else:
                if answer.is_success:
                    return answer.content.decode("utf-8", "replace")
                if not left or answer.status_code not in _RETRIED:
                    raise refused(self.hub, file.path, answer.status_code)
            self._wait(self.tries - left)
        raise AssertionError("the last try returns or raises")

    def fetch(self, address: Address, file: RemoteFile, target: Path, told: Told) -> None:
        """The file at `target`, which is replaced only by a whole and right one."""
        place = partial(target, file)
        with _writing(place):
            _drop_others(target, place)
            resumed = size_of(place) > 0
            wrong = self._arrived(address, file, place, told)
            if wrong and resumed:  # what an earlier run left may be at fault: once more from the beginning
                wrong = self._arrived(address, file, place, told)
            if not wrong:
                place.replace(target)
                return
        problem = f"{file.path} arrived broken: {wrong}; it was removed"
        raise UserError(problem, f"run it again, or {self.hub.advice}")

    def close(self) -> None:
        self._client.close()

    def _arrived(self, address: Address, file: RemoteFile, place: Path, told: Told) -> str:
        """What is wrong with the bytes that came, which are removed then."""
        self._fill(address, file, place, told)
        wrong = difference(place, file)
        if wrong:
            told(-size_of(place))
            place.unlink()
        return wrong

    def _fill(self, address: Address, file: RemoteFile, place: Path, told: Told) -> None:
        """Until `place` has the size that the hub says."""
        import httpx

        place.touch()
        failed, reached = 0, size_of(place)
        while size_of(place) != file.size:
            problem: UserError | None = None
            try:
                problem = self._stream(address, file, place, told)
            except httpx.RequestError as e:
                problem = self._ended_early(file, reached, e) if reached else unreachable(self.hub, e)
            failed = 0 if size_of(place) > reached else failed + 1
            reached = max(reached, size_of(place))
            if failed >= self.tries:
                raise problem or self._ended_early(file, reached)
            if size_of(place) != file.size:
                self._wait(failed)

    def _stream(self, address: Address, file: RemoteFile, place: Path, told: Told) -> UserError | None:
        """Append what one request brings; the error of an answer that may be better next time."""
        have = size_of(place)
        headers = dict(address.headers) | ({"Range": f"bytes={have}-"} if have else {})
        with self._client.stream("GET", address.url, headers=headers) as answer:
            if answer.status_code == 416 or have > file.size:  # there is no such place in the file
                _empty(place, told)
                return None
            if answer.status_code in _RETRIED:
                return refused(self.hub, file.path, answer.status_code)
            if not answer.is_success:
                raise refused(self.hub, file.path, answer.status_code)
            if have and not _goes_on(answer, have):
                _empty(place, told)
                if answer.status_code != 200:
                    return None
            with place.open("ab") as f:
                for block in answer.iter_bytes():
                    if f.tell() + len(block) > file.size:
                        _empty(place, told)
                        raise UserError(f"{self.hub.endpoint} sends more of {file.path} than the {file.size} bytes "
                                        "it announced", self.hub.advice)  # fmt: skip
                    f.write(block)
                    f.flush()  # a kill keeps what came
                    told(len(block))
                os.fsync(f.fileno())
        return None

    def _ended_early(self, file: RemoteFile, have: int, e: Exception | None = None) -> UserError:
        said = f" ({type(e).__name__})" if e else ""
        return UserError(f"{self.hub.endpoint} breaks off {file.path} after {have} of {file.size} bytes{said}",
                         f"run it again: it goes on there; or {self.hub.advice}")  # fmt: skip

    def _wait(self, failed: int) -> None:
        if failed:
            self.sleep(min(_FIRST_WAIT_S * 2 ** (failed - 1), _LONGEST_WAIT_S))


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        full = e.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "make room and run it again: it goes on there" if full else "check the folder's permissions"
        raise FatalError(f"{place} cannot be written ({e.strerror})", hint) from e


def _goes_on(answer: "httpx.Response", have: int) -> bool:
    return answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _empty(place: Path, told: Told) -> None:
    told(-size_of(place))
    os.truncate(place, 0)


def _drop_others(target: Path, place: Path) -> None:
    """What is left of an older version of the file."""
    for path in target.parent.glob("*.part"):
        head, _, digest = path.name.removesuffix(".part").rpartition(".")
        if head == f".{target.name}" and digest and path != place:
            path.unlink()
