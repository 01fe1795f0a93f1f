"""What models a server has, which one it means, and the adapters it hears."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.adapters import recognised
from acestep_core.bundled import FOLDER, NAMES
from acestep_core.errors import UserError
from acestep_core.installed import installed
from acestep_core.registry import registry
from acestep_plugins.commands.serve.asking_cli import ask_program
from acestep_plugins.commands.serve.places import Places
from acestep_plugins.commands.serve.settings import ServeSettings
from acestep_plugins.commands.serve.store import LOADED, Store

CHOICE, ADAPTERS = "choice", "adapters"
KINDS = {"model": "model", "language model": "lm", "codec": "codec", "text encoder": "text"}


def folder_of(model: str | Path) -> Path:
    """The folder of a choice, whose name of the bundled model means that whatever lies here."""
    return FOLDER if str(model) in NAMES else Path(model)


@dataclass(frozen=True)
class Models:
    """The models of one server."""

    settings: ServeSettings
    checkpoints: Path
    """The folder of the server's models, or a name of the bundled one, as it was when the server started."""
    store: Store
    places: Places

    def start(self) -> dict[str, Any]:
        """What the server was started with."""
        name = str(self.checkpoints)
        named = {"variant": self.settings.variant or NAMES.get(name), "backend": self.settings.backend}
        return {"model": name, **named, "lm": self.settings.lm, "lm_backend": None, "options": {}}

    def choice(self) -> dict[str, Any]:
        """What requests mean which name no model."""
        return self.start() | (self.store.known(CHOICE) or {})

    def parts(self) -> list[dict[str, Any]]:
        """Every part in the folder of the models that requests mean; none where there is no such folder."""
        folder = folder_of(self.choice()["model"])
        return [self._part(p) for p in installed(folder)] if folder.is_dir() else []

    def loaded(self) -> dict[str, Any] | None:
        return self.store.known(LOADED)

    def plan(self, asked: Mapping[str, Any]) -> Any:
        """What `models plan` says of a choice; see `PLAN`."""
        choice = self.choice()
        folder, variant = folder_of(choice["model"]), None
        if asked.get("model"):
            folder, variant = self.places.model(asked["model"], asked.get("variant"))
        asked = {**asked, "variant": variant} if variant else asked
        words = ["models", "plan", str(folder)]
        for name in ("variant", "backend", "lm", "lm_backend", "vram", "seconds", "batch"):
            value = asked.get(name)
            value = choice.get(name) if value is None and "model" not in asked else value
            words += [f"--{name.replace('_', '-')}", str(value)] if value is not None else []
        words += ["--think"] if asked.get("think") else []
        for name, value in (asked.get("options") or {}).items():
            words += ["-o", f"backend.{name}={str(value).lower() if isinstance(value, bool) else value}"]
        return ask_program(*words)

    def adapters(self) -> list[dict[str, Any]]:
        return self.store.known(ADAPTERS) or []

    def add(self, path: str, scale: float, on: bool) -> list[dict[str, Any]]:
        """Put an adapter on, or change its strength. Raises `UserError` for what no plugin knows."""
        found = self.places.find(path)
        known = recognised(found, registry())
        kept = [a for a in self.adapters() if a["path"] != str(found)]
        return self._keep([*kept, {"path": str(found), "kind": known.name, "scale": scale, "on": on}])

    def change(self, path: str, scale: float | None, on: bool | None) -> list[dict[str, Any]]:
        """Another strength, or on or off."""
        own = self._own(path)["path"]
        told = {n: v for n, v in (("scale", scale), ("on", on)) if v is not None}
        return self._keep([a | told if a["path"] == own else a for a in self.adapters()])

    def remove(self, path: str) -> list[dict[str, Any]]:
        own = self._own(path)["path"]
        return self._keep([a for a in self.adapters() if a["path"] != own])

    def heard(self) -> list[dict[str, Any]]:
        """Those that requests hear."""
        return [{"path": a["path"], "scale": a["scale"]} for a in self.adapters() if a["on"]]

    def _own(self, path: str) -> dict[str, Any]:
        found = str(self.places.find(path))
        for adapter in self.adapters():
            if adapter["path"] == found:
                return adapter
        raise UserError(f"{path} is not among the server's adapters", "add it first: POST /v1/adapters")

    def _keep(self, adapters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.store.remember(ADAPTERS, adapters)
        return adapters

    def _part(self, part: Any) -> dict[str, Any]:
        usable = part.model is not None and not part.problems
        about = part.model.describe() if usable else {}
        return {"id": f"acestep/{part.name}", "object": "model", "created": int(part.folder.stat().st_mtime),
                "owned_by": "acestep", "name": part.name, "kind": KINDS.get(part.kind, part.kind),
                "parameters": part.parameters, "bytes": part.size, "problems": list(part.problems),
                "about": about}  # fmt: skip
