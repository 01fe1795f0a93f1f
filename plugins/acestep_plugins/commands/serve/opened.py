"""The model that a worker keeps between jobs."""

import os
from collections.abc import Mapping
from typing import Any

from acestep_core.model import Model, load_backend
from acestep_core.registry import registry
from acestep_plugins.commands.serve.kinds.kind import ModelChoice


class Opened:
    """One model at a time: another one, or other options, and the last is let go of."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._key: Any = None
        self._checkpoint: Any = None

    def get(self, choice: ModelChoice, options: Mapping[str, Mapping[str, Any]]) -> Model:
        of_lm = options.get("lm_backend", {}) if choice.lm_backend else {}
        key = (choice, repr(options.get("backend")), repr(of_lm))
        if self._model is None or self._key != key:
            self.release()
            lm_backend = registry().make("backends", choice.lm_backend, of_lm) if choice.lm_backend else None
            if lm_backend is not None:
                lm_backend.check()
            named = {"variant": choice.variant, "lm": choice.lm, "lm_backend": lm_backend}
            backend = choice.backend or "pt"
            self._model = load_backend(backend, model=choice.model, **named, **options.get("backend", {}))
            self._key, self._checkpoint = key, self._model.checkpoint
        self._model.checkpoint = self._checkpoint  # a job before may have settled on a language model
        return self._model

    def release(self) -> None:
        """Let go of everything."""
        if self._model is not None:
            self._model.release()
        self._model = self._key = None

    def about(self) -> dict[str, Any]:
        """What is loaded now."""
        about: dict[str, Any] = {"pid": os.getpid(), "memory_bytes": _resident(), "model": None}
        model = self._model
        if model is None:
            return about
        parts = {n: dict(getattr(model.loaded(n), "about", {}) or {}) for n in ("text", "codec", "dit", "lm")
                 if model.loaded(n) is not None}  # fmt: skip
        about["model"] = {"folder": str(model.checkpoint.root), "name": model.info.folder.name,
                          "variant": model.info.variant, "backend": model.backend.name, "parts": parts,
                          "one_at_a_time": model.one_at_a_time}  # fmt: skip
        return about | {"free_bytes": model.backend.room()}


def _resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss
