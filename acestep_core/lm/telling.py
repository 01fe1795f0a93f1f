"""What the language model said of a song, as a line for `generate --items` and with who each value is from."""

from typing import Any

from acestep_core.lm.requests import Answer

DESCRIBED = 0.3  # temperature of descriptions, as in the reference: what is there is to be said, not imagined
_ITEM = ("caption", "lyrics", "bpm", "duration_s", "keyscale", "timesignature", "language")


def item_told(answer: Answer) -> dict[str, Any]:
    """What is known, named as in a request."""
    values = {**{n: getattr(answer.metas, n, None) for n in _ITEM}, "lyrics": answer.lyrics}
    return {n: v for n, v in values.items() if v not in (None, "")}


def facts_told(answer: Answer) -> dict[str, Any]:
    """That, with genres and origins."""
    return item_told(answer) | {"genres": answer.metas.genres, "origins": dict(answer.origins)}
