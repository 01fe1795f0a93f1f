"""The envelope that the reference's server answers in."""

import time
from collections.abc import Mapping
from typing import Any

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.as_json import Json
from acestep_plugins.commands.serve.store import QueueFull


def why_not_done(job: Mapping[str, Any]) -> UserError:
    """Of a job that has ended and is not done."""
    return UserError.from_plain(job["error"]) if job["error"] else UserError("It was cancelled")


def model_of(job: Mapping[str, Any]) -> str:
    """The name of the model that a job asked for."""
    return job["request"].get("variant") or job["request"]["model"].rpartition("/")[2]


def answer(data: Any, extra: Any = None) -> dict[str, Any]:
    return {"data": data, "code": 200, "error": None, "timestamp": int(time.time() * 1000), "extra": extra}


def refused(error: UserError, status: int) -> Json:
    said = f"{error.problem}: {error.hint}" if error.hint else error.problem
    return Json({**answer(None), "code": status, "error": said}, status)


def refused_by(error: UserError) -> Json:
    return refused(error, 429 if isinstance(error, QueueFull) else 422)
