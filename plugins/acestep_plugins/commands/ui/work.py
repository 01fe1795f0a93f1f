"""What the page asks of the server: jobs and reads, through the client alone."""

import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from acestep_core.bundled import NAMES
from acestep_core.errors import UserError

UNFINISHED = ("queued", "running")
Job = Mapping[str, Any]
_FRESH_S = 2.0
_MOST = 500  # jobs in one answer


class Work:
    """A server seen from the page. All browsers share it."""

    def __init__(self, client: Any):
        self.client = client
        self._events: dict[str, list[Mapping[str, Any]]] = {}
        self._lock = threading.Lock()
        self._told: tuple[Mapping[str, Any] | None, float] = None, -_FRESH_S

    @cached_property
    def folder(self) -> Path:
        """Where fetched results lie while the page runs."""
        self._kept = tempfile.TemporaryDirectory(prefix="acestep-ui-")
        return Path(self._kept.name)

    @cached_property
    def kinds(self) -> Mapping[str, Mapping[str, Any]]:
        return self.client.kinds()

    @cached_property
    def plugins(self) -> list[Mapping[str, Any]]:
        """Every plugin the server knows, with its schema under 'options'."""
        return [_plain(p) for p in self.client.plugins()]

    @cached_property
    def presets(self) -> list[Mapping[str, Any]]:
        """Of trainings, each with the request it stands for."""
        return list(self.finished("presets", {})["presets"])

    def plugins_of(self, kind: str) -> list[Mapping[str, Any]]:
        return [p for p in self.plugins if p["kind"] == kind]

    def upload(self, path: Path) -> str:
        """How a request names this file, which is on the server then."""
        return str(self.client.upload(path))

    def start(self, kind: str, request: Mapping[str, Any]) -> str:
        """The id of a new job. Raises `UserError` with the server's sentence."""
        return str(_plain(self.client.submit(kind, request))["id"])

    def job(self, job: str) -> Job:
        return _plain(self.client.job(job))

    def jobs(self, **which: Any) -> list[Job]:
        return [_plain(j) for j in self.client.jobs(**{k: v for k, v in which.items() if v})]

    def cancel(self, jobs: Iterable[str]) -> None:
        """Ask them all to stop; what has ended already stays as it is."""
        for job in jobs:
            if self.job(job)["state"] in UNFINISHED:
                self.client.cancel(job)

    def unfinished(self) -> list[Job]:
        """Jobs that wait or run, oldest first."""
        found = [j for state in UNFINISHED for j in self.jobs(state=state, limit=_MOST)]
        return sorted(found, key=lambda j: j["created_at"])

    def file(self, job: str, name: str, named: str = "") -> Path:
        """A result on this machine, fetched once; `named` is what it is called here, which is its name otherwise."""
        path = self.folder / job / (named or name)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{threading.get_ident()}-{path.name}")
            self.client.fetch(job, name, part)
            part.replace(path)
        return path

    def finished(self, kind: str, request: Mapping[str, Any]) -> Any:
        """The result of a job that is over soon. Raises `UserError` if it fails."""
        return self.ended(self.start(kind, request))

    def ended(self, job: str) -> Any:
        """The result of a job, once it is there. Raises `UserError` if it fails."""
        return result_of(_plain(self.client.wait(job)))

    def models(self) -> Mapping[str, Any] | None:
        """What the server tells of models, a moment ago or now; None where it cannot."""
        with self._lock:
            told, at = self._told
        if time.monotonic() - at <= _FRESH_S:
            return told
        try:
            return self.models_now()
        except UserError:
            return None

    def models_now(self) -> Mapping[str, Any]:
        """As `models`, asked for now. Raises `UserError` where the server does not tell."""
        told: Mapping[str, Any] | None = None
        try:
            told = self.client.models()
            return told
        finally:
            with self._lock:
                self._told = told, time.monotonic()

    def model(self) -> Mapping[str, Any] | None:
        """Facts of the model that requests mean which name none; None while there is none."""
        told = self.models()
        return None if told is None else model_of(told)

    @property
    def models_folder(self) -> str:
        return str((self.models() or {}).get("chosen", {}).get("model", ""))

    def load(self, choice: Mapping[str, Any]) -> str:
        """The job that loads a model, which requests then mean that name none."""
        return str(_plain(self.client.load(**choice))["id"])

    def adapter(self, what: str, **about: Any) -> list[Mapping[str, Any]]:
        """Put one on, or 'change' or 'remove' it; all there are then."""
        path = f"/v1/adapters/{what}".rstrip("/")
        return list(self.client.ask("POST", path, json=about)["adapters"])

    def adapters(self) -> list[Mapping[str, Any]]:
        """What is loaded, each with its path, scale and whether it is on."""
        return list(self.client.adapters())

    def events(self, job: str) -> list[Mapping[str, Any]]:
        """What a job has told so far; it is listened to from the first time on."""
        with self._lock:
            heard = self._events.get(job)
            if heard is None:
                heard = self._events[job] = []
                threading.Thread(target=self._listen, args=(job, heard), daemon=True).start()
        return list(heard)

    def _listen(self, job: str, heard: list[Mapping[str, Any]]) -> None:
        try:
            for event in self.client.events(job):
                heard.append(_plain(event))
        except UserError:
            with self._lock:
                self._events.pop(job, None)


def model_of(told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of all that is said of models, the facts of the one that requests mean."""
    models = {p["name"]: p["about"] for p in told["parts"] if p["kind"] == "model" and p["about"]}
    loaded = ((told.get("loaded") or {}).get("model") or {}).get("name")
    variant = told["chosen"].get("variant") or NAMES.get(told["chosen"]["model"])
    named = [n for n, about in models.items() if variant in (n, about["variant"])]
    name = next((n for n in (loaded, *named, *models) if n in models), None)
    return None if name is None else {**models[name], "name": name}


def first_done(jobs: Iterable[Job]) -> Job | None:
    """The first that is done, if any is."""
    return next((j for j in jobs if j["state"] == "done"), None)


def result_of(job: Job) -> Any:
    """What a job came to. Raises `UserError` for one that came to nothing."""
    if job["state"] != "done":
        raise UserError.from_plain(job.get("error") or {"problem": f"The job is {job['state']}"})
    return job["result"]


def _plain(thing: Any) -> Mapping[str, Any]:
    """A job as the server tells of it."""
    return thing if isinstance(thing, Mapping) else thing.about
