"""Answers kept from one time to the next, in the person's own folder. Losing them does no harm."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_core.files import write_json
from acestep_core.user_folders import state_folder


def answers_file() -> Path:
    return state_folder() / "wizard.json"


def remembered() -> dict[str, Any]:
    """The answers of last time. Raises `UserError` if they cannot be read."""
    path = answers_file()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        raise UserError(f"{path} cannot be read ({type(e).__name__})", "delete it") from e
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no answers", "delete it")
    return content


def remember(answers: Mapping[str, Any]) -> None:
    """Raises `UserError` where nothing can be written."""
    path = answers_file()
    try:
        write_json(path, dict(answers))
    except OSError as e:
        raise UserError(f"{path} cannot be written ({e.strerror})", "check its permissions") from e
