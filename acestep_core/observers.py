"""Calls life-cycle hooks: observers one by one behind a wall, replaceable steps until one answers."""

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import pluggy


class Observers:
    """Tells every plugin about an event. One that raises is reported once and switched off."""

    def __init__(self, manager: pluggy.PluginManager, report: Callable[[str], None] | None = None):
        self._manager = manager
        self._off: set[str] = set()
        self._report = report or _to_stderr

    def notify(self, hook: str, **event: Any) -> None:
        """Last registered first, as in pluggy; `tryfirst` and `trylast` are kept."""
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            name = implementation.plugin_name
            if name in self._off:
                continue
            try:
                implementation.function(*(event[a] for a in implementation.argnames))
            except (Exception, SystemExit) as e:  # isolation wall: observer hooks
                self._off.add(name)
                self._report(f"Observer {name} failed in {hook} and is switched off: {type(e).__name__}: {e}")

    def first(self, hook: str, default: Callable[..., Any], **inputs: Any) -> Any:
        """The first plugin's answer that is not None, else the default's. A plugin that raises ends the run."""
        if getattr(self._manager.hook, hook).get_hookimpls():
            answer = getattr(self._manager.hook, hook)(**inputs)
            if answer is not None:
                return answer
        return default(**inputs)


def _to_stderr(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more; the run is worth more than the sentence
        print(text, file=sys.stderr)
