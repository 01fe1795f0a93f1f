"""The record beside a clip: read it, and say what differs from when it was made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.adapters import UsedAdapter
from acestep_core.errors import UserError, raise_all
from acestep_core.model import Model
from acestep_core.options import parse_options
from acestep_core.registry import Registry, registry
from acestep_core.request import GenerateRequest
from acestep_core.sameness import changes, contradictions, file_problems
from acestep_core.tasks import TASKS, Task


@dataclass(frozen=True)
class Record:
    """What made a clip: enough to make it again. `batch` are all requests that shared its passes, itself at `place`."""

    batch: tuple[GenerateRequest, ...]
    place: int
    at_once: int
    options: Mapping[str, Mapping[str, Any]]
    adapters: tuple[UsedAdapter, ...]
    content: Mapping[str, Any]

    @property
    def request(self) -> GenerateRequest:
        return self.batch[self.place]

    @property
    def sha256(self) -> str:
        """Of the float32 samples, before they were written in a file format."""
        return self.content["audio"]["sha256"]


def load_record(path: Path) -> Record:
    """Raises `UserError` if the file is no record."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        shared = content.get("batch") or {"requests": [content["request"]], "place": 0, "at_once": 1}
        adapters = tuple(UsedAdapter(Path(a["path"]), float(a["scale"])) for a in content["adapters"])
        content["audio"]["sha256"], content["model"]["hashes"], content["versions"], content["backend"]["device"]
        if shared["requests"][shared["place"]] != content["request"]:
            raise ValueError("its batch does not hold its request")
        requests = tuple(_request(dict(given), path) for given in shared["requests"])
        place, at_once = int(shared["place"]), int(shared["at_once"])
    except OSError as e:
        raise UserError(f"{path} cannot be read ({e.strerror})", "give the .json beside a generated file") from e
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as e:
        raise UserError(f"{path} is no record of a clip ({e!r})", "give the .json beside a generated file") from e
    return Record(requests, place, at_once, content.get("options", {}), adapters, content)


def _request(given: dict[str, Any], path: Path) -> GenerateRequest:
    about_task = given.pop("task", {"name": "text2music"})
    kind = TASKS[about_task["name"]]
    asked = {k: v for k, v in about_task.items() if k != "name" and v is not None}
    values, errors = parse_options(GenerateRequest, {k: v for k, v in given.items() if v is not None}, str(path))
    of_task, more = parse_options(kind, asked, str(path))
    raise_all([*errors, *more], str(path))
    task = kind(**of_task)
    return GenerateRequest(**_chosen(values, task), task=task)


def _chosen(values: dict[str, Any], task: Task) -> dict[str, Any]:
    """A record is resolved: what follows from something else must not look like a choice of the user."""
    follows = ["shift"] if values.get("schedule") or values.get("timesteps") else []
    follows += ["steps"] if values.get("timesteps") else []
    follows += ["shift"] if values.get("steps") == 1 else []
    follows += ["duration_s"] if task.decides_length else []
    return {k: v for k, v in values.items() if k not in follows}


def check_same(record: Record, model: Model, plugins: Registry | None = None) -> list[str]:
    """Differences under which the bytes may differ. Raises `UserError` where the result cannot be the same."""
    plugins = plugins or registry()
    raise_all(list(file_problems(record, model)), "The record")
    raise_all(list(contradictions(record, model, plugins)), "The record")
    return list(changes(record, model, plugins))
