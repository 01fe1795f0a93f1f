"""The model as samples are made with it: around the DiT that trains, which is never let go of."""

from collections.abc import Callable
from typing import Any

from acestep_core.model import Model
from acestep_core.remembered import Remembered


class Beside(Model):
    """Has the DiT of another model, and its other parts where they are loaded; else they are read when needed.

    What the text encoder says is remembered, so that it is loaded once for all samples of a run.
    """

    def __init__(self, whole: Model):
        super().__init__(whole.checkpoint, whole.backend, whole.one_at_a_time)
        self._whole, self._dit = whole, whole.dit
        self._reader = _Reader(lambda: self.part("text"))

    @property
    def hashes(self) -> dict[str, str]:  # type: ignore[override]
        return self._whole.hashes

    @property
    def text(self) -> Any:
        return self._reader

    def part(self, name: str) -> Any:
        if name == "dit":
            return self._dit
        return self._whole.loaded(name) or super().part(name)


class _Reader:
    """`TextPart` that asks the encoder once for each text."""

    def __init__(self, encoder: Callable[[], Any]):
        self._encoder, self._known = encoder, Remembered()

    def count(self, text: str) -> int:
        return self._known.get(("count", text), lambda: self._encoder().count(text))

    def caption(self, text: str) -> Any:
        return self._known.get(("caption", text), lambda: self._encoder().caption(text))

    def lyrics(self, text: str) -> Any:
        return self._known.get(("lyrics", text), lambda: self._encoder().lyrics(text))
