"""The processes that train together, as `torchrun` starts them: who this one is, and how they agree.

What they say to each other is always the same kind of message: what became of a piece of work. So wherever one fails,
the others hear of it at the next thing they agree upon, and nobody waits for who will not come.
"""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

from acestep_core.errors import UserError

T = TypeVar("T")
# One may make a checkpoint or listen to plugins meanwhile; a process that dies is noticed at once.
PATIENCE = timedelta(minutes=30)
_MEETING = ("MASTER_ADDR", "MASTER_PORT")


class Elsewhere(UserError):
    """Another process failed; what it met is told there, too."""


class Processes:
    """One process alone. Each method with `work` is called by all of several processes, in the same order."""

    rank = 0
    count = 1
    group: Any = None
    """Of torch.distributed, for messages about tensors of the CPU."""
    over = False
    """Whether one has failed, so that nothing can be agreed upon any more."""
    told = True
    """Whether the first process knows of the error that ended this one."""

    @property
    def main(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.rank == 0

    def all(self, work: Callable[[], T]) -> list[T]:
        """What `work` makes in every process, by rank. Where it fails in one, this raises in all."""
        return [work()]

    def first(self, work: Callable[[], T]) -> T:
        """What `work` makes in the first process; no other does it."""
        return self.all(work)[0]

    def spread(self, count: int, work: Callable[[int], T]) -> list[T]:
        """[work(0), work(1), ...], each of them done in one of the processes."""
        shares = self.all(lambda: [work(i) for i in range(self.rank, count, self.count)])
        return [shares[i % self.count][i // self.count] for i in range(count)]

    @contextmanager
    def listening(self, problem: str = "") -> Iterator[None]:
        """Within, the processes exchange something: that one of them is gone is told in a sentence."""
        yield


ALONE = Processes()


class _Joined(Processes):
    def __init__(self) -> None:
        import torch.distributed as dist

        self._owner, self.told = not dist.is_initialized(), False
        with self.listening("did not find the others at " + ":".join(os.environ[name] for name in _MEETING)):
            if self._owner:
                dist.init_process_group("gloo", timeout=PATIENCE)
            self.group = None if self._owner else dist.new_group(backend="gloo", timeout=PATIENCE)
        self.rank, self.count = dist.get_rank(), dist.get_world_size()

    def all(self, work: Callable[[], T]) -> list[T]:
        value, error = None, None
        try:
            value = work()
        except Exception as e:  # the others hear of it before it goes on
            error = e
        outcomes = self._exchanged(value, error)
        if error is not None:
            raise error
        for rank, (_, problem, hint) in enumerate(outcomes):
            if problem:
                raise Elsewhere(f"Process {rank} of {self.count} failed: {problem}", hint)
        return [value for value, _, _ in outcomes]

    def first(self, work: Callable[[], T]) -> T:
        return self.all(work if self.main else lambda: None)[0]

    @contextmanager
    def listening(self, problem: str = "lost the others") -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError) as e:  # ValueError: the meeting place cannot be read
            self.over = True
            reason = re.sub(r"^\[\S+\] ", "", _line(e)).partition(". ")[0]  # without a place in the source of gloo
            raise UserError(
                f"Process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} {problem} ({reason})",
                "look for one that ended by itself, or was never started; the same command goes on with the run",
            ) from e

    def tell(self, error: BaseException) -> None:
        """The others hear what ended this one, unless they know or nobody has time to wait for them."""
        if not self.over and isinstance(error, Exception):
            with suppress(UserError):
                self._exchanged(None, error)

    def leave(self) -> None:
        import torch.distributed as dist

        if self._owner:
            dist.destroy_process_group()

    def _exchanged(self, value: Any, error: Exception | None) -> list[tuple[Any, str, str]]:
        """(value, problem, hint) of every process."""
        import torch.distributed as dist

        problem, hint = ("", "") if error is None else _told(error)
        outcomes: list[Any] = [None] * self.count
        try:
            with self.listening():
                dist.all_gather_object(outcomes, (value, problem, hint), group=self.group)
        except UserError:
            if error is not None:
                raise error from None
            raise
        if any(problem for _, problem, _ in outcomes):
            self.over = self.told = True
        return outcomes


def local_rank() -> int | None:
    """Which of this machine's processes this one is; None if there is but one altogether."""
    return int(os.environ.get("LOCAL_RANK", 0)) if _several() else None


@contextmanager
def joined() -> Iterator[Processes]:
    """This process with those that `torchrun` started beside it, or alone. None leaves before all are done."""
    if not _several():
        yield ALONE
        return
    processes = _Joined()
    try:
        yield processes
        processes.all(lambda: None)
    except BaseException as e:
        processes.tell(e)
        raise
    finally:
        processes.leave()


@contextmanager
def speaking_once() -> Iterator[Processes]:
    """`joined` for a command: what the first process says of an error, the others do not repeat."""
    processes = ALONE
    try:
        with joined() as processes, _ending_by_itself(processes):
            yield processes
    except UserError:
        if processes.main or not processes.told:
            raise
        sys.exit(1)


@contextmanager
def _ending_by_itself(processes: Processes) -> Iterator[None]:
    """As soon as one has ended, `torchrun` ends the others, which are about to say why and to end themselves."""
    if processes.count == 1:
        yield
        return

    def end(number: int, frame: object) -> None:
        if not processes.over:
            sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _several() -> bool:
    size = os.environ.get("WORLD_SIZE", "1")
    if "RANK" not in os.environ or not size.isdecimal() or int(size) < 2:
        return False
    missing = [name for name in _MEETING if name not in os.environ]
    if missing:
        raise UserError(f"WORLD_SIZE is {size} and {' and '.join(missing)} is not set", "start it with torchrun")
    return True


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, UserError):
        return error.problem, error.hint
    return f"{type(error).__name__}: {_line(error)}", "its traceback is in the output of that process"


def _line(error: Exception) -> str:
    """The first line of what it says."""
    return next(iter(str(error).strip().splitlines()), "").strip(" .")
