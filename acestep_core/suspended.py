"""Functions that stop in their middle: each asks a question and sleeps until it is answered.

A solver calls `velocity(x, t)` and wants a value at once. To answer several of them with one pass through the model,
each runs in a thread of its own, never two at a time: whoever is asked sleeps while the other works.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any


class Suspended:
    """`work(ask)` at its next question, or at its end: then `finished`, and `result` or `error` is set."""

    def __init__(self, work: Callable[[Callable[[Any], Any]], Any]):
        self.finished = False
        self.question: Any = None
        self.result: Any = None
        self.error: Exception | None = None
        self._work = work
        self._told, self._heard = SimpleQueue(), SimpleQueue()  # from the work, and to it
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Run to the first question."""
        self._thread.start()
        self._wait()

    def answer(self, value: Any) -> None:
        """Run on to the next question."""
        self._heard.put((value,))
        self._wait()

    def close(self) -> None:
        """End the work where it is: its question is answered with GeneratorExit."""
        if self._thread.ident is not None and self._thread.is_alive():
            self._heard.put(None)
            self._thread.join()
        self.finished = True

    def _wait(self) -> None:
        self.finished, self.question = self._told.get()

    def _run(self) -> None:
        try:
            self.result = self._work(self._ask)
        except GeneratorExit:
            pass
        except Exception as e:  # isolation wall: told to whoever waits, who raises it
            self.error = e
        self._told.put((True, None))

    def _ask(self, question: Any) -> Any:
        self._told.put((False, question))
        heard = self._heard.get()
        if heard is None:
            raise GeneratorExit
        return heard[0]
