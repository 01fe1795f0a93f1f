"""What all tabs share while they are built: the server, the words of the language, and what happens on a reload."""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import gradio as gr

from acestep_core.errors import UserError
from acestep_plugins.commands.ui.words import Words
from acestep_plugins.commands.ui.work import Work

HIDDEN: dict[str, Any] = {"show_progress": "hidden"}
QUICK: dict[str, Any] = {**HIDDEN, "queue": False}
"""Of events that are over at once: a question and its answer. The outcomes of all others come by one stream, opened and
closed for each burst of them, and one that meets a closing stream is late. Not for those that change a `gr.State` whose
changes are events, which only that stream tells."""
PRIVATE: Any = "private"  # of events: not offered as an interface, the server has one


@dataclass
class Shell:
    """One page in one language on its way to be built."""

    work: Work
    words: Words
    tabs: Any = None
    loads: list[tuple[Callable[[], Any], list[Any]]] = field(default_factory=list)
    panels: list[tuple[Sequence[str], list[Any], list[Any]]] = field(default_factory=list)
    """Kinds of jobs, the controls that show those of them that are unfinished, and the accordions around these."""
    shared: dict[str, Any] = field(default_factory=dict)
    """Controls of one tab that others fill in, by name."""

    def on_load(self, does: Callable[[], Any], outputs: Sequence[Any]) -> None:
        """Have this done each time that somebody opens the page, whose controls are as they were built then."""
        self.loads.append((does, list(outputs)))

    def told(self, does: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose `UserError` is shown instead of raised."""

        @wraps(does)
        def asked(*values: Any) -> Any:
            try:
                return does(*values)
            except UserError as e:
                told = self.words.said(str(e))
                raise gr.Error(told, title=self.words("problem"), duration=None, print_exception=False) from e

        return asked

    def when(
        self, event: Any, does: Callable[..., Any], inputs: Iterable[Any] = (), outputs: Iterable[Any] = (), **how: Any
    ) -> Any:
        """Have an event, or any of several, do something; problems are shown."""
        events, outputs = event if isinstance(event, list) else [event], list(outputs)
        return gr.on(events, self.told(does), list(inputs), outputs, api_visibility=PRIVATE,
                     show_progress_on=_seen_at(outputs, **how), **how)  # fmt: skip

    def emptied(self, event: Any, controls: Sequence[Any]) -> Any:
        """Have an event empty some controls, in the browser itself and so before anything else can be pressed."""
        nothing = f"() => {json.dumps([''] * len(controls))}"
        return gr.on([event], None, [], list(controls), js=nothing, api_visibility=PRIVATE, show_progress_on=[],
                     **HIDDEN)  # fmt: skip


def connect(shell: Shell, page: Any) -> None:
    """Have the page do on opening what its parts asked for.

    It is one event: of many that are over at once, one after the other opens and closes the stream that their outcomes
    come by, and an outcome that meets a closing one is lost.
    """
    outputs = list(dict.fromkeys(o for _, own in shell.loads for o in own))

    def opened() -> list[Any]:
        shown: dict[Any, Any] = dict.fromkeys(outputs, gr.skip())
        with ThreadPoolExecutor(len(shell.loads)) as at_once:
            found = list(at_once.map(_tried, (does for does, _ in shell.loads)))
        for (_, own), values in zip(shell.loads, found, strict=True):
            if isinstance(values, UserError):
                gr.Warning(shell.words.said(str(values)), duration=None, title=shell.words("problem"))
            else:
                for output, value in zip(own, values if len(own) > 1 else [values], strict=True):
                    shown[output] = _both(shown[output], value)
        return list(shown.values())

    shell.when(page.load, opened, [], outputs, **HIDDEN)


def _tried(does: Callable[[], Any]) -> Any:
    """What it gives, or why it cannot."""
    try:
        return does()
    except UserError as e:
        return e


def _both(first: Any, then: Any) -> Any:
    """Two updates of one control as one; of what both say, the second counts."""
    updates = all(isinstance(u, dict) and u.get("__type__") == "update" for u in (first, then))
    return {**first, **then} if updates else first if then == gr.skip() else then


def _seen_at(outputs: Sequence[Any], show_progress: str = "full", **how: Any) -> list[Any]:
    """Where it is seen that an event is on its way: at the first of its outputs that is drawn.

    With each step of each event the browser goes through everything at which any event is seen, and for each of these
    through the whole page: were it all outputs, the page would need three times as long to open.
    """
    if show_progress == "hidden":
        return []
    return [o for o in outputs if not isinstance(o, gr.State | gr.Timer | gr.Tabs)][:1]
