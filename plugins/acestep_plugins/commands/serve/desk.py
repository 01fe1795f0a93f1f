"""What a job has in its hands while it is worked on."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acestep_core.lm.fitting import settle
from acestep_core.model import Model
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.field_names import fields_by_flag, for_requests
from acestep_plugins.commands.serve.kinds.kind import ModelChoice
from acestep_plugins.commands.serve.opened import Opened
from acestep_plugins.commands.serve.store import Claimed, Store

# progress is told so often at most, but for the last of a stage; what belongs to a curve is kept for good
_QUIET_S, _CURVE_S = 0.2, 1.0


class JobDesk:
    """A desk whose words go into the store, as long as the job is this worker's."""

    def __init__(
        self, claimed: Claimed, store: Store, folder: Path, config: dict[str, Any], opened: Opened, shape: Shape
    ):  # fmt: skip
        self.folder, self.attempt, self.config = folder, claimed.attempt, config
        self._claimed, self._store, self._opened = claimed, store, opened
        self._fields = fields_by_flag(shape)
        self._told: dict[str, float] = {}
        self._began: dict[str, tuple[float, int]] = {}

    def progress(
        self, stage: str, done: int, total: int | None, text: str = "", item: int | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        now = time.monotonic()
        began, first = self._began.setdefault(stage, (now, done))
        if done != total and now - self._told.get(stage, 0.0) < (_CURVE_S if values else _QUIET_S):
            return
        self._told[stage] = now
        left = (now - began) / (done - first) * (total - done) if total and done > first and item is None else None
        told = {"stage": stage, "done": done, "total": total, "text": text, "item": item, "left_s": left}
        told["values"] = values and dict(values)
        self._store.tell(self._claimed, "progress", {n: v for n, v in told.items() if v not in (None, "")})

    def note(self, text: str) -> None:
        self._store.tell(self._claimed, "note", {"text": for_requests(text, self._fields)})

    def ready(self, path: Path, name: str | None = None) -> None:
        self._store.publish(self._claimed, name or path.relative_to(self.folder).as_posix(), path)

    def model(self, asked: Asked) -> Model:
        return self._opened.get(asked[ModelChoice], asked.using(self.config))

    def lm(self, asked: Asked) -> tuple[Any, int | None]:
        model = self.model(asked)
        chosen = settle(model)
        if chosen.why:
            self.note(chosen.why)
        return model.lm, chosen.at_once

    def release(self) -> None:
        self._opened.release()

    def loaded(self) -> dict[str, Any]:
        return self._opened.about()

    def keep(self, name: str, value: Any) -> None:
        self._store.remember(name, value)
