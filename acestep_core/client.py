"""A client of `acestep-core serve`: submits jobs, watches them and fetches what they made."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from acestep_core.errors import UserError

ENDED = ("done", "failed", "cancelled")
_TIMEOUT_S, _SILENT_S = 60.0, 60.0  # the server says every 15 s that it is still there


@dataclass(frozen=True)
class Job:
    """A job as the server tells of it; `about` has all of it."""

    id: str
    kind: str
    state: str
    about: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def result(self) -> Any:
        return self.about["result"]

    @property
    def error(self) -> UserError | None:
        told = self.about["error"]
        return UserError.from_plain(told) if told else None

    @property
    def files(self) -> list[str]:
        return [f["name"] for f in self.about["files"]]


class Client:
    """Speaks with one server. What it refuses is raised as `UserError`, in its own words."""

    def __init__(self, url: str = "http://127.0.0.1:8001", key: str | None = None, *, http: Any = None):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url, self._http = url, http or httpx.Client(base_url=url, timeout=_TIMEOUT_S, trust_env=False)
        self._http.headers.update(headers)

    def submit(self, kind: str, request: Mapping[str, Any] | None = None, *, limit_s: float | None = None,
               token: str | None = None) -> Job:  # fmt: skip
        """With the same `token` the same job is answered, so that a lost answer can be asked for again."""
        body = {"kind": kind, "request": dict(request or {}), "limit_s": limit_s}
        return _job(self._ask("POST", "/v1/jobs", json=body, headers={"Idempotency-Key": token} if token else {}))

    def job(self, id: str) -> Job:
        return _job(self._ask("GET", f"/v1/jobs/{id}"))

    def jobs(self, **which: Any) -> list[Job]:
        """The newest first; `kind`, `state`, `search`, `limit` and `before` choose."""
        return [_job(j) for j in self._ask("GET", "/v1/jobs", params=which)["jobs"]]

    def events(self, id: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """What happens to a job, until it ends; goes on by itself where the connection is lost."""
        while True:
            try:
                for event in self._stream(id, after):
                    after = event["number"]
                    yield event
                return
            except httpx.TransportError:
                self.job(id)  # says so if the server is gone

    def wait(self, id: str) -> Job:
        """The job when it has ended, however it has."""
        for _ in self.events(id):
            pass
        return self.job(id)

    def cancel(self, id: str) -> Job:
        return _job(self._ask("POST", f"/v1/jobs/{id}/cancel"))

    def fetch(self, id: str, name: str, path: Path | str) -> Path:
        """A result of a job, written to `path`."""
        with self._http.stream("GET", f"/v1/jobs/{id}/files/{name}") as answer:
            _check(answer)
            temporary = Path(path).with_name(f".{Path(path).name}.tmp")
            with temporary.open("wb") as file:
                for block in answer.iter_bytes():
                    file.write(block)
        return temporary.replace(path)

    def upload(self, path: Path | str) -> str:
        """What a request calls the file that is sent: file:ID."""
        with Path(path).open("rb") as file:
            return self._ask("POST", "/v1/files", files={"file": (Path(path).name, file)})["name"]

    def kinds(self) -> dict[str, Any]:
        return self._ask("GET", "/v1/kinds")

    def models(self) -> dict[str, Any]:
        return self._ask("GET", "/v1/models")

    def load(self, **choice: Any) -> Job:
        """Choose a model for requests that name none, and load it."""
        return _job(self._ask("POST", "/v1/models/load", json=choice))

    def adapters(self) -> list[dict[str, Any]]:
        return self._ask("GET", "/v1/adapters")["adapters"]

    def plugins(self, kind: str | None = None) -> list[dict[str, Any]]:
        return self._ask("GET", "/v1/plugins", params={"kind": kind} if kind else {})["plugins"]

    def ask(self, method: str, path: str, **how: Any) -> Any:
        """The JSON that any other path answers."""
        return self._ask(method, path, **how)

    def _stream(self, id: str, after: int) -> Iterator[dict[str, Any]]:
        with self._http.stream("GET", f"/v1/jobs/{id}/events", params={"after": after}, timeout=_SILENT_S) as answer:
            _check(answer)
            yield from (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))

    def _ask(self, method: str, path: str, **how: Any) -> Any:
        try:
            return _check(self._http.request(method, path, **how)).json()
        except httpx.TransportError as e:
            raise UserError(f"{self.url} does not answer ({e})", "start it: acestep-core serve") from None


def _check(answer: Any) -> Any:
    if answer.is_success:
        return answer
    answer.read()
    try:
        raise UserError.from_plain(answer.json())
    except (ValueError, KeyError, TypeError):
        raise UserError(f"The server answered {answer.status_code}", "is it acestep-core serve?") from None


def _job(about: Mapping[str, Any]) -> Job:
    return Job(about["id"], about["kind"], about["state"], about)
