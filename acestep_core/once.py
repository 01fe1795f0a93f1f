"""Something that takes long to make, such as a model, made when it is first needed and let go of at the end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from acestep_core.errors import FatalError, UserError

T = TypeVar("T")


class Once(Generic[T]):
    """Made by the first thread that asks, while the others wait. A failure is not kept: the next one tries again.

    A `UserError` while it is made becomes a `FatalError`: every other song would meet it as well.
    """

    def __init__(self, make: Callable[[], T]):
        self._make = make
        self._making, self._turn = threading.Lock(), threading.Lock()
        self._made: list[T] = []

    def get(self) -> T:
        with self._making:
            if not self._made:
                try:
                    self._made.append(self._make())
                except UserError as e:
                    raise FatalError(e.problem, e.hint) from e
            return self._made[0]

    @contextmanager
    def alone(self) -> Iterator[T]:
        """The thing, for one thread at a time."""
        with self._turn:
            yield self.get()

    def drop(self) -> None:
        """Let go of it. Whoever asks afterwards gets a new one."""
        with self._making:
            self._made.clear()
