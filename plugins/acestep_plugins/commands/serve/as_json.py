"""What a server tells, as JSON, whatever it has been told: a text may be no Unicode and a number none."""

import json
import math
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse


class Json(JSONResponse):
    """Any other answer than that would be an error of the server, for whoever lists what somebody else has sent."""

    def render(self, content: Any) -> bytes:
        try:
            return super().render(content)
        except ValueError:
            return as_json(content).encode()


def as_json(content: Any) -> str:
    """In ASCII; infinities and what is no number are null, for which JSON has no word."""
    return json.dumps(_told(content), allow_nan=False)


def _told(thing: Any) -> Any:
    if isinstance(thing, Mapping):
        return {k: _told(v) for k, v in thing.items()}
    if isinstance(thing, list | tuple):
        return [_told(v) for v in thing]
    return None if isinstance(thing, float) and not math.isfinite(thing) else thing
