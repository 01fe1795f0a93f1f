"""The executor that is always there: this process."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

from acestep_core.api import Executor
from acestep_core.bench import Bench
from acestep_core.errors import UserError
from acestep_core.hooks import hookimpl
from acestep_core.registry import Registry


class Local(Executor):
    """Works in this process: in threads where the work waits for others, such as services, else in order."""

    name = "local"

    def run(self, bench: Bench, units: Sequence[Any], stop: threading.Event) -> Iterator[tuple[int, Any]]:
        bench.load()
        if bench.patient:
            yield from _in_threads(bench, units, stop)
            return
        for start in range(0, len(units), bench.group):
            for number, made in enumerate(bench.work(units[start : start + bench.group]), start):
                yield number, made
                if stop.is_set():
                    return


def _in_threads(bench: Bench, units: Sequence[Any], stop: threading.Event) -> Iterator[tuple[int, Any]]:
    """Once stopped, those begun come to their end and no other is begun."""
    pool = ThreadPoolExecutor(max(1, bench.at_once))
    waiting = {pool.submit(_unless, stop, bench, unit): number for number, unit in enumerate(units)}
    try:
        yield from _done(waiting)
    except KeyboardInterrupt:
        stop.set()
        yield from _done(waiting)
        raise
    finally:
        stop.set()
        pool.shutdown()


def _done(waiting: dict[Future[list[Any]], int]) -> Iterator[tuple[int, Any]]:
    """Takes each out of `waiting` when it is told, so that a second call goes on with the rest."""
    for future in as_completed(list(waiting)):
        number = waiting.pop(future)
        for made in future.result():
            yield number, made


def _unless(stop: threading.Event, bench: Bench, unit: Any) -> list[Any]:
    return [] if stop.is_set() else list(bench.work([unit]))


def executor_of(
    given: str | Executor | None, options: Mapping[str, Mapping[str, Any]] | None, plugins: Registry
) -> Executor:
    """The executor with that name and the options of the table 'executor'; unless given, this process."""
    table = (options or {}).get("executor")
    if table and not isinstance(given, str):
        raise UserError("No executor here reads the options 'executor'", "name the executor")
    return plugins.make("executors", given, table) if isinstance(given, str) else given or Local()


@hookimpl
def acestep_executors():
    return [Local]
