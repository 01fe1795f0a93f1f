"""The process that works: it takes jobs from the store one by one, and ends at once when the server does.

`python -m acestep_plugins.commands.serve.worker` reads from its standard input what it has to know, a line of JSON, and
after that a line whenever there may be news. The end of that stream is the end of the server, whatever ended it.
"""

import _thread
import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from acestep_core.errors import OutOfMemory, UserError
from acestep_core.registry import registry
from acestep_plugins.commands.serve.desk import JobDesk
from acestep_plugins.commands.serve.kinds.asked import read
from acestep_plugins.commands.serve.kinds.field_names import error_for_requests, fields_by_flag, result_for_requests
from acestep_plugins.commands.serve.kinds.kind import MODEL, Kind
from acestep_plugins.commands.serve.opened import Opened
from acestep_plugins.commands.serve.places import Places
from acestep_plugins.commands.serve.store import CANCELLED, DONE, FAILED, LOADED, Claimed, Store

NEWS, STOP = b"news\n", b"stop\n"
_BEAT_S, _IDLE_S = 0.5, 5.0
_LOST, _TOLD_OFF = 3, 4  # exit codes


class Worker:
    """The worker of one lane."""

    def __init__(self, about: Mapping[str, Any]):
        self.lane, self.config = about["lane"], about["config"]
        state = Path(about["state"])
        self.store = Store(state)
        self.places = Places([Path(p) for p in about["roots"]], state)
        self.kinds: Mapping[str, Kind] = named(about["kinds"])
        self.opened = Opened()
        self.news, self.hurry = threading.Event(), threading.Event()
        self._now: Claimed | None = None
        self._asked_to_stop = False

    def run(self) -> None:
        """Work until the process ends."""
        signal.signal(signal.SIGINT, self._interrupted)
        threading.Thread(target=self._beating, daemon=True).start()
        self._tell_about()
        while True:
            self.news.clear()
            claimed = self.store.claim(self.lane)
            if claimed is None:
                self.news.wait(_IDLE_S)
                continue
            self._work(claimed)

    def _work(self, claimed: Claimed) -> None:
        self._asked_to_stop, self._now = False, claimed
        folder = self.places.job_folder(claimed.id) / str(claimed.attempt)
        try:
            result = self._done(claimed, folder)
            self._now = None
            ended = {"state": DONE, "result": result, "files": [*_files(folder)]}
        except KeyboardInterrupt:
            self._now = None
            ended = {"state": CANCELLED, "files": [*_files(folder)]}
        except (Exception, SystemExit) as e:  # isolation wall: a job that fails leaves the worker as it was
            self._now = None
            ended = {"state": FAILED, "error": self._told(e, claimed), "files": [*_files(folder)]}
            if isinstance(e, OutOfMemory | MemoryError):
                self.opened.release()
        try:
            self._tell_about()  # first: who hears that a job is over asks at once what is loaded
        finally:
            if not self.store.end(claimed, **ended):
                shutil.rmtree(folder, ignore_errors=True)

    def _done(self, claimed: Claimed, folder: Path) -> dict[str, Any]:
        kind = self.kinds[claimed.kind]
        asked = read(kind.shape, claimed.request, kind.name, self.places, registry())
        folder.mkdir(parents=True, exist_ok=True)
        result = kind.work(asked, JobDesk(claimed, self.store, folder, self.config, self.opened, asked.shape))
        return result_for_requests(result, fields_by_flag(asked.shape))

    def _told(self, error: BaseException, claimed: Claimed) -> UserError:
        if isinstance(error, UserError):
            return error_for_requests(error, fields_by_flag(self.kinds[claimed.kind].shape))
        traceback.print_exception(error)
        return UserError(f"{type(error).__name__}: {error}", "this is a bug; the server's log tells more")

    def _beating(self) -> None:
        while True:
            self.hurry.wait(_BEAT_S)
            self.hurry.clear()
            now = self._now
            said = "go on" if now is None else self.store.beat(now)
            if said == "lost" and self._now is now:
                _end(_LOST)  # somebody else has the job: not another byte of it is written
            if said == "cancel" and self._now is now and not self._asked_to_stop:
                self._asked_to_stop = True
                _thread.interrupt_main()

    def _interrupted(self, number: int, frame: Any) -> None:
        if self._now is not None and self._asked_to_stop:
            raise KeyboardInterrupt

    def _tell_about(self) -> None:
        if self.lane == MODEL:
            self.store.remember(LOADED, self.opened.about())


def named(where: str) -> Any:
    """The thing called module:name."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def _files(folder: Path) -> list[tuple[str, Path]]:
    found = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return [(p.relative_to(folder).as_posix(), p) for p in found]


def _listen(heard: Callable[[bytes], None]) -> None:
    while line := sys.stdin.buffer.readline():
        heard(line)
    _end(_TOLD_OFF)


def end_group(leader: int) -> None:
    """End a worker and all that it has started, where the system knows groups of processes and it leads one."""
    with contextlib.suppress(AttributeError, OSError):
        if os.getpgid(leader) == leader:
            os.killpg(leader, signal.SIGKILL)


def _end(code: int) -> NoReturn:
    end_group(os.getpid())
    os._exit(code)


def main() -> None:
    """Only one worker of a lane works at a time: the next one waits until the system has ended the last."""
    from filelock import FileLock

    about = json.loads(sys.stdin.buffer.readline())
    there: list[Worker] = []

    def heard(line: bytes) -> None:
        for worker in there:
            (worker.hurry if line == STOP else worker.news).set()

    threading.Thread(target=_listen, args=(heard,), daemon=True).start()
    sys.stdout = sys.stderr
    with FileLock(Path(about["state"]) / f"{about['lane']}.lock"):
        there.append(Worker(about))
        there[0].run()


if __name__ == "__main__":
    main()
