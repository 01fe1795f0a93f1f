"""Runs a trainer: shows its steps with the time left, hands signals on to it, and keeps a record of the run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import click

from acestep_core import UserError
from acestep_core.console import Ticker
from acestep_core.files import write_json
from acestep_kohya.progress import Steps, heard

RECORD = ".run.json"
_PIECE = 4096


@dataclass
class Ending:
    """How a run ended. `code` is what this program ends with as well; `record` is what the file says."""

    code: int
    steps: Steps | None
    interrupted: bool
    record: dict[str, Any]


def run(argv: Sequence[str], record: Path, about: dict[str, Any], as_json: bool = False) -> Ending:
    """Runs the command to its end; its output is ours, but for its bar. Raises `UserError` if it cannot be started."""
    begun = time.time()
    content = {"argv": list(argv), **about, "started": _at(begun), "ended": None, "exit_code": None}
    write_json(record, content)
    started = time.monotonic()
    with _Signals() as signals, _process(argv) as process:
        signals.go_to(process)
        steps = _shown(process, as_json)
        code = process.wait()
    seconds, came = time.monotonic() - started, signals.came
    code = 128 - code if code < 0 else code
    if came and code == 0:
        code = 128 + came[0]  # it ended in good order, but not by itself
    content |= {
        "ended": _at(begun + seconds),
        "seconds": round(seconds, 3),
        "exit_code": code,
        "interrupted": bool(came),
        "steps": asdict(steps) if steps else None,
    }
    write_json(record, content)
    return Ending(code, steps, bool(came), content)


def commit_of(folder: Path) -> str | None:
    """The commit that is checked out in a folder, read from its files; None if it is no such folder."""
    git = folder / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)


@contextmanager
def _process(argv: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """In a group of its own, so that a signal reaches it and its children once, and by us."""
    group: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=environment, **group)  # fmt: skip
    except OSError as e:
        raise UserError(f"{argv[0]} cannot be started ({e.strerror})", "check --env") from None
    with process:
        yield process


class _Signals:
    """Ctrl-C and SIGTERM go to the run; a second one asks it to end, a third ends it. `came` has all of them."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._before = {s: signal.signal(s, self._hand_on) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *raised: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def go_to(self, process: subprocess.Popen[bytes]) -> None:
        """From now on; those that came before it was started are handed on at once."""
        self._process = process
        if self.came:
            _send(process, self.came[0])

    def _hand_on(self, number: int, frame: object) -> None:
        self.came.append(number)
        stronger = {1: number, 2: signal.SIGTERM}.get(len(self.came), getattr(signal, "SIGKILL", signal.SIGTERM))
        if self._process is not None:
            _send(self._process, stronger)


def _send(process: subprocess.Popen[bytes], number: int) -> None:
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT if number == signal.SIGINT else number)
        return
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # it has just ended


def _shown(process: subprocess.Popen[bytes], as_json: bool) -> Steps | None:
    """Prints as it comes; the last known steps. As JSON, lines go to stderr: stdout is for the result."""
    last: Steps | None = None
    ticker: Ticker | None = None
    for said in heard(_pieces(process)):
        if isinstance(said, str):
            if ticker and sys.stderr.isatty():
                click.echo("\r\033[K", err=True, nl=False)  # the line goes where the live one was
            click.echo(said, err=as_json)
            continue
        ticker = ticker or Ticker("steps", said.total, said.done)
        ticker.update(said.done, f"loss {said.loss:.4f}" if said.loss is not None else "", said.total)
        last = said
    if last is not None and last.done < last.total and sys.stderr.isatty():
        click.echo(err=True)  # the live line was not the last
    return last


def _pieces(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What it prints, as soon as it does. Its children may hold the pipe open after it: they belong to the run."""
    pipe = process.stdout
    assert pipe is not None
    while piece := os.read(pipe.fileno(), _PIECE):
        yield piece


def _at(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
