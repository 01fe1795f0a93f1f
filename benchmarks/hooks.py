"""What an event costs that is told to five observers, beside five plain Python calls with the same arguments.

Both are timed in turns in the same process, so a busy machine slows both. Prints medians over the rounds.

Target: an event told to five observers costs less than 50 microseconds.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from acestep_core import hookimpl
from acestep_core.observers import Observers
from acestep_core.testing.fakes import closed_registry

OBSERVERS = 5
TARGET_US = 50.0
EVENT = {"run": None, "step": 1, "loss": 0.5, "t": (0.5,), "lr": 1e-4}


class Listener:
    """Does as little as an observer can."""

    @hookimpl
    def acestep_train_step(self, run: Any, step: int, loss: float, t: Any, lr: float) -> None:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--events", type=int, default=5000, help="per round")
    given = parser.parse_args()
    listeners = [Listener() for _ in range(OBSERVERS)]
    plugins = closed_registry()
    for listener in listeners:
        plugins.manager.register(listener)
    observers, arguments = Observers(plugins.manager), tuple(EVENT.values())
    ways = {
        "five plain calls": lambda: [listener.acestep_train_step(*arguments) for listener in listeners],
        "one notified event": lambda: observers.notify("acestep_train_step", **EVENT),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, way in ways.items():
            times[name].append(microseconds(way, given.events))
    report(times)


def microseconds(call: Callable[[], Any], count: int) -> float:
    """Mean of one call."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count * 1e6


def report(times: dict[str, list[float]]) -> None:
    plain, notified = times.values()
    print(f"{OBSERVERS} observers, {len(plain)} rounds")
    print(f"{'':20}{'median us':>10}{'lowest':>9}{'highest':>9}{'target':>9}")
    for name, each in times.items():
        target = f"< {TARGET_US:.0f}" if each is notified else ""
        print(f"{name:20}{statistics.median(each):10.2f}{min(each):9.2f}{max(each):9.2f}{target:>9}")
    ratio = statistics.median(n / p for n, p in zip(notified, plain, strict=True))
    print(f"an event costs {ratio:.1f} times the plain calls")


if __name__ == "__main__":
    main()
