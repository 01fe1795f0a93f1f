"""The envelope that the reference's server answers in."""

import time
from typing import Any

from fastapi.responses import JSONResponse

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.store import QueueFull


def answer(data: Any, extra: Any = None) -> dict[str, Any]:
    return {"data": data, "code": 200, "error": None, "timestamp": int(time.time() * 1000), "extra": extra}


def refused(problem: str, hint: str, status: int) -> JSONResponse:
    said = f"{problem}: {hint}" if hint else problem
    return JSONResponse({**answer(None), "code": status, "error": said}, status)


def refused_by(error: UserError) -> JSONResponse:
    return refused(error.problem, error.hint, 429 if isinstance(error, QueueFull) else 422)
