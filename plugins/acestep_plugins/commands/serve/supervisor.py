"""Watches over the workers: starts them when there is work, ends them when a job must end, replaces them when they die.

A worker is a process of its own and keeps the model loaded. Stopping one for good is the only way to stop work that
does not listen.
"""

import contextlib
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.asking_cli import same_packages
from acestep_plugins.commands.serve.kinds.kind import LANES, MODEL, Kind
from acestep_plugins.commands.serve.store import LOADED, Store
from acestep_plugins.commands.serve.worker import NEWS, STOP, end_group

MODULE = "acestep_plugins.commands.serve.worker"
_LOOK_S, _SWEEP_S = 0.2, 600.0
_SILENT_S = 120.0  # without a heartbeat a worker hangs; loading a large model may hold everything up for a while
_DEATHS, _PAUSE_S = 3, 30.0  # what dies so often before it has a job is not started again before


class Seat:
    """The worker of one lane, if there is one."""

    def __init__(self, lane: str, about: Mapping[str, Any]):
        self.lane, self._about = lane, {**about, "lane": lane}
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before, self._deaths = 0.0, 0
        self._speaking = threading.Lock()

    @property
    def alive(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        if time.monotonic() < self._not_before:
            return
        command = [sys.executable, "-m", MODULE]
        # A group of its own: Ctrl-C at the terminal is for the server, which then ends its workers.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env=same_packages(), start_new_session=True)
        self.say(json.dumps(self._about).encode() + b"\n")

    def say(self, line: bytes) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with self._speaking, contextlib.suppress(OSError, ValueError):  # it has just died, which is seen soon
            process.stdin.write(line)
            process.stdin.flush()

    def died(self, working: bool) -> int | None:
        """The exit code of a worker that has ended by itself, told once; `working` says that it had a job."""
        if self._process is None or self._process.poll() is None:
            return None
        self._deaths = 0 if working else self._deaths + 1
        if self._deaths >= _DEATHS:
            self._not_before = time.monotonic() + _PAUSE_S
        return self._gone()

    def kill(self) -> None:
        """End it now, whatever it does, with the processes it has started."""
        if self._process is not None:
            end_group(self._process.pid)
            self._process.kill()
            self._gone()

    def _gone(self) -> int:
        process, self._process = self._process, None
        code = process.wait()
        process.stdin.close()
        return code


class Supervisor:
    """All workers of a server, and the thread that looks after them."""

    def __init__(
        self, store: Store, kinds: Mapping[str, Kind], about: Mapping[str, Any], sweep: Callable[[], None]
    ):  # fmt: skip
        self._sweep, self._swept = sweep, -math.inf
        self._store, self._kinds = store, kinds
        self._seats = {lane: Seat(lane, about) for lane in LANES}
        self._look, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Take up what the last server left."""
        for lane in LANES:
            self._taken(lane, UserError("The server was stopped while it worked", "submit the job again"))
        self._thread.start()

    def stop(self) -> None:
        """End the workers; what they worked on is taken up again by the next server."""
        self._ended.set()
        self._look.set()
        self._thread.join()
        for seat in self._seats.values():
            seat.kill()

    def submitted(self, lane: str) -> None:
        self._seats[lane].say(NEWS)
        if not self._seats[lane].alive:
            self._look.set()

    def cancelled(self) -> None:
        for seat in self._seats.values():
            seat.say(STOP)

    def _watch(self) -> None:
        while not self._ended.is_set():
            self._look.wait(_LOOK_S)
            self._look.clear()
            try:
                for seat in self._seats.values():
                    self._look_after(seat)
                if time.monotonic() > self._swept + _SWEEP_S:
                    self._swept = time.monotonic()
                    self._sweep()
            except Exception as e:  # isolation wall: without this thread nothing would ever be worked on again
                print(f"supervisor: {type(e).__name__}: {e}", file=sys.stderr)

    def _look_after(self, seat: Seat) -> None:
        code = seat.died(self._store.running(seat.lane) is not None)
        if code is not None:
            how = f"by signal {-code}" if code < 0 else f"with code {code}"
            error = UserError(f"The process that worked on it ended {how}", "it may be short of memory: ask for less")
            self._taken(seat.lane, error)
        if not seat.alive and self._store.waits(seat.lane):
            seat.start()
        error = seat.alive and self._overdue(self._store.running(seat.lane))
        if error:
            seat.kill()
            self._taken(seat.lane, error, again=False)

    def _taken(self, lane: str, error: UserError, again: bool = True) -> None:
        self._store.taken_from(lane, error, again=again)
        if lane == MODEL:
            self._store.remember(LOADED, None)

    def _overdue(self, job: dict[str, Any] | None) -> UserError | None:
        """Why a job has to be ended by force."""
        if job is None:
            return None
        now, kind = time.time(), self._kinds[job["kind"]]
        if job["cancel_at"] is not None and now > job["cancel_at"] + kind.grace_s:
            return UserError("It did not stop by itself", "")
        if job["limit_s"] is not None and now > job["started_at"] + job["limit_s"]:
            hint = "give a larger limit_s, or ask for less"
            return UserError(f"It was stopped: it worked longer than {job['limit_s']:g} s", hint)
        if now > job["heartbeat_at"] + _SILENT_S:
            return UserError(f"It was stopped: nothing was heard of it for {_SILENT_S:g} s", "submit it again")
        return None
