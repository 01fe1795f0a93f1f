"""What is answered when something is wrong: a sentence and a remedy, never a traceback."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.as_json import Json
from acestep_plugins.commands.serve.store import Conflict, QueueFull
from acestep_plugins.commands.serve.uploads import TooLarge

RETRY_AFTER_S = 5


def refusal(status: int, error: UserError, headers: dict[str, str] | None = None) -> Json:
    return Json(error.as_plain(), status, headers)


def answer_errors(app: FastAPI) -> None:
    """Have every error of the app told in the same way."""

    @app.exception_handler(UserError)
    def told(request: Request, error: UserError) -> Json:
        status = {QueueFull: 429, Conflict: 409, TooLarge: 413}.get(type(error), 422)
        headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 429 else None
        return refusal(status, error, headers)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Json:
        found = [f"{'.'.join(map(str, e['loc'][1:])) or 'the body'}: {e['msg']}" for e in error.errors()]
        return refusal(422, UserError(f"The request makes no sense: {'; '.join(found)}", "see /openapi.json"))

    @app.exception_handler(LookupError)
    def missing(request: Request, error: LookupError) -> Json:
        if type(error) is not LookupError:
            raise error
        return refusal(404, UserError(f"There is no '{error.args[0]}' here", "it may not be kept any more"))

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> Json:
        return refusal(error.status_code, UserError(str(error.detail), "see /openapi.json"), dict(error.headers or {}))


class Problem(BaseModel):
    """What is wrong, in a sentence, and what mends it."""

    problem: str
    hint: str


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "model": Problem}
    for status, text in ((400, "No request"), (401, "Key missing or wrong"), (403, "Not allowed"), (404, "Not there"),
                         (409, "Contradiction"), (413, "Too large"), (422, "Makes no sense"), (429, "Queue full"))
}  # fmt: skip
