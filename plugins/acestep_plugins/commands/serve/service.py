"""What a server does, without HTTP: accepts requests, keeps files, knows what is loaded."""

import shutil
import time
from collections.abc import Mapping
from typing import Any

from acestep_core.errors import UserError
from acestep_core.options import nearest
from acestep_core.registry import registry
from acestep_plugins.commands.serve.kinds.asked import Asked, read, schema
from acestep_plugins.commands.serve.kinds.field_names import error_for_requests, fields_by_flag
from acestep_plugins.commands.serve.kinds.kind import Kind, ModelChoice
from acestep_plugins.commands.serve.models import Models, folder_of
from acestep_plugins.commands.serve.places import Places
from acestep_plugins.commands.serve.settings import ServeSettings
from acestep_plugins.commands.serve.store import Store
from acestep_plugins.commands.serve.supervisor import Supervisor
from acestep_plugins.commands.serve.uploads import Uploads
from acestep_plugins.commands.serve.worker import named

LOAD = "load"
_DAY_S = 86_400.0
BUNDLED = "acestep_plugins.commands.serve.kinds:KINDS"


class Service:
    """One server: its settings, store, places and workers. `kinds` is the module:name of its kinds."""

    def __init__(self, settings: ServeSettings, config: Mapping[str, Any], kinds: str = BUNDLED):
        self.settings, self.config = settings.checked(), config
        self.kinds: Mapping[str, Kind] = named(kinds)
        self.store = Store(settings.folder, settings.queue)
        self.places = Places(settings.allowed, settings.folder)
        self.uploads = Uploads(self.store, settings)
        self.models = Models(settings, settings.checkpoints, self.store, self.places)
        about = {**settings.for_worker(), "config": dict(config), "kinds": kinds}
        self.supervisor = Supervisor(self.store, self.kinds, about, self.sweep)

    def schemas(self) -> dict[str, Any]:
        """JSON Schema of the request of each kind."""
        return {n: {"title": n, "description": k.about, **schema(k.shape, registry())} for n, k in self.kinds.items()}

    def submit(
        self, kind: str, request: Mapping[str, Any], *, limit_s: float | None = None, token: str | None = None
    ) -> dict[str, Any]:
        """Accept a job. Raises `UserError` for a request that makes no sense."""
        found, asked = self.kind(kind), self.understood(kind, request)
        if limit_s is None and found.limited:
            limit_s = self.settings.job_limit_s
        job = self.store.submit(kind, found.lane, request, asked.plain(), limit_s=limit_s, token=token)
        self.supervisor.submitted(found.lane)
        return job

    def understood(self, kind: str, request: Mapping[str, Any]) -> Asked:
        """The request with nothing left open, as each attempt will read it. Raises `UserError` if it makes no sense."""
        found = self.kind(kind)
        whole = self._chosen(found, request) | self._heard(found, request)
        try:
            asked = found.complete(read(found.shape, whole, kind, self.places, registry()))
            found.check(asked)
        except UserError as e:
            raise error_for_requests(e, fields_by_flag(found.shape)) from e
        return asked

    def cancel(self, job: str) -> dict[str, Any]:
        told = self.store.cancel(job)
        if told["cancelling"]:
            self.supervisor.cancelled()
        return told

    def _heard(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        """The server's adapters before those of the request, unless it wants its own alone or names a model."""
        own = request.get("adapters", [])
        if "adapters" not in kind.shape.lists or "model" in request or request.get("own_adapters") is True:
            return {}
        named = [a.get("path") for a in own if isinstance(a, Mapping)] if isinstance(own, list) else []
        others = [a for a in self.models.heard() if a["path"] not in named]
        return {"adapters": [*others, *own]} if others and isinstance(own, list) else {}

    def sweep(self) -> None:
        """Drop results and uploads that were kept long enough."""
        before = time.time() - self.settings.keep_days * _DAY_S
        for job in self.store.forget(before):
            shutil.rmtree(self.places.job_folder(job), ignore_errors=True)
        self.uploads.sweep(before)

    def kind(self, name: str) -> Kind:
        if name not in self.kinds:
            raise UserError(f"There is no kind of job '{name}'", nearest(name, self.kinds))
        return self.kinds[name]

    def _chosen(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        """A request that names no model means the one that the server has, with all that belongs to it."""
        if ModelChoice not in kind.shape.flat:
            return dict(request)
        given = {n: v for n, v in request.items() if v is not None}
        if "model" in given:
            return {"backend": self.settings.backend, **given}
        choice = self.models.start() if kind.name == LOAD else self.models.choice()
        choice["model"] = str(folder_of(choice["model"]))
        if "backend" in given:  # options are those of a plugin
            choice = {**choice, "options": {}}
        named = {n: choice[n] for n in ("model", "variant", "backend", "lm", "lm_backend") if choice[n] is not None}
        own = given.get("options", {})
        options = {"options": {**choice["options"], **own}} if choice["options"] and isinstance(own, Mapping) else {}
        return {**named, **given, **options}
