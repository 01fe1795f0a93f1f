"""What all tabs share while they are built: the server, the words of the language, and what happens on a reload."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import wraps
from html import escape
from typing import Any

import gradio as gr

from acestep_core.errors import UserError
from acestep_plugins.commands.ui.words import Words
from acestep_plugins.commands.ui.work import Work

HIDDEN: dict[str, Any] = {"show_progress": "hidden"}
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
    unseen: list[Any] = field(default_factory=list)
    problem: Any = field(default_factory=lambda: gr.HTML(elem_id="problem"))
    """Where the page says what went wrong."""

    def text(self) -> Any:
        """A text that is nowhere seen, to be an outcome of events and by its change an event itself.

        It is part of the page wherever that stands: a control changes once more when its tab or accordion is opened.
        """
        self.unseen.append(gr.Textbox("", visible="hidden", render=False))
        return self.unseen[-1]

    def on_load(self, does: Callable[[], Any], outputs: Sequence[Any]) -> None:
        """Have this done each time that somebody opens the page, whose controls are as they were built then."""
        self.loads.append((does, list(outputs)))

    def told(self, does: Callable[..., Any], count: int, well: Any) -> Callable[..., Any]:
        """The function of so many outcomes, with one more: for `problem` if it ends well, or what to say of a
        `UserError`, which leaves the others be."""

        @wraps(does)
        def asked(*values: Any) -> list[Any]:
            try:
                given = does(*values)
            except UserError as e:
                return [*[gr.skip()] * count, self.problems([e])]
            return [*(given if count != 1 else [given]), well] if count else [well]

        return asked

    def problems(self, found: Iterable[UserError]) -> str:
        """For `problem`: each until somebody closes it, said anew even if it is the one of before."""
        close, at = "this.closest('.problem').hidden = true", time.monotonic_ns()
        return "".join(
            f'<div class="problem" role="alert" data-at="{at}"><div><b>{escape(self.words("problem"))}</b>'
            f'<button onclick="{close}" aria-label="{escape(self.words("close"))}">✕</button></div>'
            f"<p>{escape(self.words.said(str(e)))}</p></div>"
            for e in found
        )

    def when(
        self, event: Any, does: Callable[..., Any], inputs: Iterable[Any] = (), outputs: Iterable[Any] = (), **how: Any
    ) -> Any:
        """Have an event, or any of several, do something; problems are shown until a button does what it should."""
        events, outputs = event if isinstance(event, list) else [event], list(outputs)
        pressed = any(e.event_name == "click" for e in events)
        does = self.told(does, len(outputs), "" if pressed else gr.skip())
        return _event(events, does, list(inputs), outputs, self.problem, **how)

    def in_browser(self, event: Any, js: str, inputs: Iterable[Any] = (), outputs: Iterable[Any] = ()) -> Any:
        """Have an event do something in the browser itself, and so before anything else can be pressed."""
        return gr.on([event], None, list(inputs), list(outputs), js=js, api_visibility=PRIVATE, show_progress_on=[],
                     **HIDDEN)  # fmt: skip

    def emptied(self, event: Any, controls: Sequence[Any]) -> Any:
        """Have an event empty some controls."""
        return self.in_browser(event, f"() => {json.dumps([''] * len(controls))}", [], controls)


def connect(shell: Shell, page: Any) -> None:
    """Have the page do on opening, as one event, what its parts asked for."""
    outputs = list(dict.fromkeys(o for _, own in shell.loads for o in own))

    def opened() -> list[Any]:
        shown: dict[Any, Any] = dict.fromkeys(outputs, gr.skip())
        with ThreadPoolExecutor(len(shell.loads)) as at_once:
            found = list(at_once.map(_tried, (does for does, _ in shell.loads)))
        for (_, own), values in zip(shell.loads, found, strict=True):
            if not isinstance(values, UserError):
                for output, value in zip(own, values if len(own) > 1 else [values], strict=True):
                    shown[output] = _both(shown[output], value)
        return [*shown.values(), shell.problems(v for v in found if isinstance(v, UserError))]

    _event([page.load], opened, [], outputs, shell.problem, **HIDDEN)
    for text in shell.unseen:
        text.render()


def _event(
    events: list[Any], does: Callable[..., Any], inputs: list[Any], outputs: list[Any], problem: Any, **how: Any
) -> Any:
    """A question and its answer, with what went wrong as the last outcome.

    Gradio's queue would answer by a stream that is opened and closed for each burst of events: what meets a closing
    one is lost.
    """
    return gr.on(events, does, inputs, [*outputs, problem], queue=False, api_visibility=PRIVATE,
                 show_progress_on=_seen_at(outputs, **how), **how)  # fmt: skip


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
