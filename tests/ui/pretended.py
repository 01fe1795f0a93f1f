"""What a server tells, without one: schemas of all kinds, plugins, a model; it records what it is asked."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from acestep_core import UserError
from acestep_core.api import KINDS as PLUGIN_KINDS
from acestep_core.options import schema_of
from acestep_core.registry import registry
from acestep_plugins.commands.serve.kinds import KINDS
from acestep_plugins.commands.serve.kinds.asked import schema

TURBO = {"name": "tiny", "kind": "model", "problems": [], "bytes": 1, "about": {
    "variant": "turbo", "turbo": True, "version": "turbo", "tasks": ["text2music", "cover", "repaint"]}}  # fmt: skip


@cache
def kinds() -> Mapping[str, Any]:
    return {n: schema(k.shape, registry()) for n, k in KINDS.items()}


class Pretended:
    """In the place of a client."""

    def __init__(self, results: Mapping[str, Any] | None = None):
        self.results, self.asked = results or {}, list[tuple[str, Mapping[str, Any]]]()
        self.told: dict[str, dict[str, Any]] = {}

    def kinds(self) -> Mapping[str, Any]:
        return kinds()

    def plugins(self) -> list[dict[str, Any]]:
        return [{"kind": kind, "name": k.name, "qualified": k.name, "distribution": k.dist, "version": k.version,
                 "about": "", "problem": "", "options": schema_of(registry().load(kind, k.name))}
                for kind in PLUGIN_KINDS if kind != "commands" for k in registry().known(kind)]  # fmt: skip

    def models(self) -> dict[str, Any]:
        return {"parts": [TURBO], "chosen": {"model": "models", "variant": None}, "loaded": None}

    def adapters(self) -> list[Any]:
        return []

    def submit(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((kind, request))
        job = {"id": str(len(self.asked)), "kind": kind, "state": "done", "request": request, "created_at": 0.0,
               "started_at": 0.0, "result": self.results.get(kind), "files": []}  # fmt: skip
        self.told[job["id"]] = job
        return job

    def job(self, id: str) -> dict[str, Any]:
        if id not in self.told:
            raise UserError(f"There is no job {id}", "see the others")
        return self.told[id]

    wait = job

    def jobs(self, **which: Any) -> list[dict[str, Any]]:
        wanted = {n: v for n, v in which.items() if n in ("kind", "state")}
        return [j for j in self.told.values() if all(j.get(n) == v for n, v in wanted.items())][::-1]

    def cancel(self, id: str) -> None:
        self.told[id] |= {"state": "cancelled"}

    def upload(self, path: Path) -> str:
        return f"file:{path.name}"

    def events(self, id: str) -> list[dict[str, Any]]:
        return self.told[id].get("events", [])
