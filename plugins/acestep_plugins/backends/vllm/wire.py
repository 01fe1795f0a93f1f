"""A grammar and how its tokens are drawn, as the text that goes with a request. Both ends use this module.

vLLM hands on what a request has under `vllm_xargs`, numbers and texts only, as `SamplingParams.extra_args`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from acestep_core.lm.grammar import Codes, Free, Grammar, Mark, OneOf, Part, Text
from acestep_core.lm.requests import LmSettings

KEY = "acestep_core"
VERSION = 1
_PARTS: dict[str, type[Part]] = {"text": Text, "one_of": OneOf, "free": Free, "mark": Mark, "codes": Codes}
_NAMES = {cls: name for name, cls in _PARTS.items()}


@dataclass(frozen=True)
class Order:
    """What a sequence is to keep to, and how its tokens are drawn."""

    grammar: Grammar
    settings: LmSettings
    seed: int


def write(order: Order) -> str:
    parts = [{"part": _NAMES[type(p)], **asdict(p)} for p in order.grammar.parts]
    content = {"version": VERSION, "parts": parts, "drawing": order.settings.options(), "seed": order.seed}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def read(arguments: Mapping[str, Any] | None) -> Order | None:
    """The order among a request's extra arguments, if there is one. Raises `ValueError` for one that makes no sense."""
    text = (arguments or {}).get(KEY)
    if text is None:
        return None
    try:
        content = json.loads(text)
        if content["version"] != VERSION:
            raise ValueError(f"it is of version {content['version']}, and here is {VERSION}")
        parts = tuple(_part(dict(p)) for p in content["parts"])
        return Order(Grammar(parts), LmSettings(**content["drawing"]), int(content["seed"]))
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise ValueError(f"{KEY} is no grammar ({e}); use the same acestep-core on both sides") from e


def _part(fields: dict[str, Any]) -> Part:
    cls = _PARTS[fields.pop("part")]
    return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()})
