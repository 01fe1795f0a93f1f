"""What all tabs share while they are built: the server, the words of the language, and what happens on a reload."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import gradio as gr

from acestep_core.errors import UserError
from acestep_plugins.commands.ui.words import Words
from acestep_plugins.commands.ui.work import Work

PRIVATE: Any = "private"  # of events: not offered as an interface, the server has one


@dataclass
class Shell:
    """One page in one language on its way to be built."""

    work: Work
    words: Words
    tabs: Any = None
    loads: list[tuple[Callable[..., Any], list[Any], list[Any]]] = field(default_factory=list)
    shared: dict[str, Any] = field(default_factory=dict)
    """Controls of one tab that others fill in, by name."""

    def on_load(self, does: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = ()) -> None:
        """Have this done each time that somebody opens the page."""
        self.loads.append((does, list(inputs), list(outputs)))

    def told(self, does: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose `UserError` is shown instead of raised."""

        @wraps(does)
        def asked(*values: Any) -> Any:
            try:
                return does(*values)
            except UserError as e:
                raise gr.Error(str(e), title=self.words("problem"), duration=None, print_exception=False) from e

        return asked

    def when(
        self, event: Any, does: Callable[..., Any], inputs: Iterable[Any] = (), outputs: Iterable[Any] = (), **how: Any
    ) -> Any:
        """Have an event do something; problems are shown."""
        return event(self.told(does), list(inputs), list(outputs), api_visibility=PRIVATE, **how)


def connect(shell: Shell, page: Any) -> None:
    """Have the page do on opening what its parts asked for."""
    for does, inputs, outputs in shell.loads:
        page.load(shell.told(does), inputs, outputs, show_progress="hidden", api_visibility=PRIVATE)
