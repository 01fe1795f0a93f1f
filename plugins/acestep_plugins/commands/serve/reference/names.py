"""What clients of the reference call things, and what they are called here.

Source: release_task_param_parser.py and release_task_models.py of ACE-Step 1.5. Names are taken in snake_case and in
camelCase, and are looked for in the request, then in its `metas`, then in its `param_obj`.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from acestep_core.errors import UserError

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("caption",),
    "vocal_language": ("language",),
    "key_scale": ("keyscale",),
    "time_signature": ("timesignature",),
    "audio_duration": ("duration", "target_duration"),
    "reference_audio_path": ("ref_audio_path",),
    "src_audio_path": ("ctx_audio_path", "source_audio_path"),
    "audio_cover_strength": ("cover_strength",),
    "audio_code_string": ("audio_codes",),
    "sample_query": ("description", "desc"),
    "model": ("dit_model",),
    "lm_model_path": ("lm_model",),
    "batch_size": (),
}
NESTED = ("metas", "metadata", "user_metadata", "param_obj")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")


class Given:
    """The parameters of a request; which of them were read is known, so that the others can be told."""

    def __init__(self, body: Mapping[str, Any]):
        self._layers = [_snake(body)]
        for name in NESTED:
            self._layers += [_snake(_object(self._layers[0].pop(name), name))] if name in self._layers[0] else []
        self._read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """The first that is given under one of its names; empty texts and nulls are not given."""
        for layer in self._layers:
            for called in (name, *SYNONYMS.get(name, ())):
                if called in layer:
                    self._read.add(called)
                    if layer[called] not in (None, ""):
                        return layer[called]
        return default

    def flag(self, name: str, default: bool) -> bool:
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        word = str(value).strip().lower()
        if word not in (*_TRUE, *_FALSE):
            raise UserError(f"{name} is {value!r}", "give true or false")
        return word in _TRUE

    def number(self, name: str) -> float | None:
        """None where it is not given, or is a word for that: auto, N/A."""
        value = self.get(name)
        if value is None or (isinstance(value, str) and value.strip().lower() in ("auto", "n/a", "none")):
            return None
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise UserError(f"{name} is {str(value)[:100]!r}", "give a number")
        return number

    def unread(self) -> Iterator[str]:
        """What nobody asked for."""
        for layer in self._layers:
            yield from sorted(layer.keys() - self._read)


def _snake(given: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(k)).lower(): v for k, v in given.items()}


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError:
            raise UserError(f"{name} is no JSON", 'write {"bpm": 120}') from None
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UserError(f"{name} is no object", 'write {"bpm": 120}')
    return value
