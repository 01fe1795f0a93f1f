"""JSON Schema of options: valid, and it allows exactly what parsing allows."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from acestep_core import TimestepSampler, option
from acestep_core.discovery import CORE, Known, discover
from acestep_core.options import options_of, parse_options, schema_of
from acestep_core.registry import Registry

TYPES = {"boolean": bool, "integer": int, "number": int | float, "string": str, "array": list, "object": dict,
         "null": type(None)}  # fmt: skip
KEYWORDS = {"type", "properties", "required", "additionalProperties", "description", "default", "enum", "anyOf",
            "items", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum",
            "exclusiveMaximum", "writeOnly"}  # fmt: skip
BUNDLED = [k for k in discover()[0] if k.dist == CORE and k.kind != "commands"]


class Sampler(TimestepSampler):
    name = "schema"

    count: int = option(help="how many", ge=1, le=100)
    width: float = option(1.0, "how wide", gt=0, lt=10)
    seed: int | None = option(None, "drives it", ge=0)
    mode: Literal["mean", "max"] = option("mean", "which of them")
    order: Literal[1, 2] | None = option(None, "of the method")
    sharp: bool = option(False, "with edges")
    kinds: list[Literal["q", "k"]] = option(["q"], "of layers")
    edges: tuple[float, ...] = option((0.0,), "where it bends", ge=0, le=1)
    span: tuple[int, float] = option((1, 0.5), "from, to")
    folder: Path | None = option(None, "with tables")
    token: str = option("changeme", "for the service", secret=True)
    device: int | str = option("auto", "number or name")
    speed: float | Literal["auto"] | None = option(None, "number, or a word", gt=0, le=1)
    more: dict = option({}, "anything")

    def sample(self, u: Any) -> Any:
        return u


def allows(schema: dict[str, Any], value: Any) -> bool:
    """What a JSON Schema validator says, for the keywords used here."""
    assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
    if "anyOf" in schema:
        return any(allows(s, value) for s in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    if "type" in schema and not _is(schema["type"], value):
        return False
    if isinstance(value, list):
        return _list_fits(schema, value)
    return not isinstance(value, int | float) or isinstance(value, bool) or _in_bounds(schema, value)


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])


def _list_fits(schema: dict[str, Any], value: list[Any]) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    each = schema.get("prefixItems") or [schema["items"]] * len(value)
    return all(allows(s, v) for s, v in zip(each, value, strict=True))


def _in_bounds(schema: dict[str, Any], value: float) -> bool:
    inf = float("inf")
    closed = schema.get("minimum", -inf) <= value <= schema.get("maximum", inf)
    return closed and schema.get("exclusiveMinimum", -inf) < value < schema.get("exclusiveMaximum", inf)


CASES = {
    "count": [0, 1, 100, 101, None, 1.5, True],
    "width": [0, 0.1, 9.9, 10, None],
    "seed": [0, -1, None, 2**60],
    "mode": ["mean", "max", "min", None],
    "order": [1, 2, 3, None],
    "sharp": [True, False, None],
    "kinds": [[], ["q", "k"], ["x"], None],
    "edges": [[0, 1], [], [2], [-0.1]],
    "span": [[1, 2.0], [1], [1, 2, 3], [1.5, 2]],
    "folder": ["a", None],
    "device": [1, "cuda:1", None],
    "speed": [0.5, "auto", None, 0, 2, "fast"],
    "more": [{}, {"a": 1}, [1], None],
}


@pytest.mark.parametrize("name, value", [(n, v) for n, values in CASES.items() for v in values])
def test_the_schema_allows_what_parsing_allows(name: str, value: Any):
    given = {"count": 5, name: value}
    _, errors = parse_options(Sampler, given, "it")
    assert allows(schema_of(Sampler)["properties"][name], value) == (not errors), errors


def test_required_options_defaults_and_descriptions_are_in_the_schema():
    schema = schema_of(Sampler)
    assert schema["required"] == ["count"] and schema["additionalProperties"] is False
    assert "default" not in schema["properties"]["count"]
    assert schema["properties"]["width"]["default"] == 1.0
    assert schema["properties"]["seed"]["default"] is None
    assert schema["properties"]["sharp"] == {"description": "with edges", "type": "boolean", "default": False}


def test_a_bound_of_zero_is_in_the_schema():
    assert schema_of(Sampler)["properties"]["width"]["exclusiveMinimum"] == 0
    assert schema_of(Sampler)["properties"]["edges"]["items"]["minimum"] == 0


def test_the_default_of_a_secret_is_not_in_the_schema():
    token = schema_of(Sampler)["properties"]["token"]
    assert token["writeOnly"] is True and "changeme" not in json.dumps(token)


@pytest.mark.parametrize("known", BUNDLED, ids=lambda k: f"{k.kind}-{k.name}")
def test_every_bundled_plugin_has_a_schema_that_allows_its_defaults(known: Known):
    cls = Registry(BUNDLED).load(known.kind, known.name)
    schema = json.loads(json.dumps(schema_of(cls)))
    assert list(schema["properties"]) == list(options_of(cls))
    for name, one in schema["properties"].items():
        assert one["description"], name
        assert "default" not in one or allows(one, one["default"])
