"""Results kept by what they were made of, so that the same text or sound is worked on once."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

KEPT = 64


class Remembered:
    """The last `kept` results, by key."""

    def __init__(self, kept: int = KEPT):
        self._kept = kept
        self._results: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The result made before for an equal key, or a new one."""
        if key not in self._results:
            self._results[key] = make()
            if len(self._results) > self._kept:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        return self._results[key]

    def clear(self) -> None:
        self._results.clear()
