"""Fields of forms out of JSON Schema: what kind of control each is, and what its value means."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from acestep_core.adapter_export import TARGETS
from acestep_core.prompts import KEYSCALES, LANGUAGES, TIMESIGNATURES
from acestep_core.tasks import TRACKS

MOST_SLIDER = 1000  # a longer slider cannot be set by hand
KNOWN = {"language": LANGUAGES, "keyscale": KEYSCALES, "timesignature": TIMESIGNATURES, "track": TRACKS,
         "tracks": TRACKS, "to": TARGETS}  # fmt: skip
_OF_DEFAULT = ("fields",)  # lists that hold all there is unless something is left out
LONG_TEXTS = ("caption", "lyrics", "negative_prompt", "codes", "query")


@dataclass(frozen=True)
class Field:
    """One property of a schema."""

    name: str
    schema: Mapping[str, Any]
    owner: str = ""
    choices: tuple[Any, ...] = ()
    """Known from elsewhere, such as the keys there are; the schema's own come first."""
    offered: bool = False
    """Whether choices come later, and others can be typed."""

    @property
    def about(self) -> str:
        return str(self.schema.get("description", ""))

    @property
    def default(self) -> Any:
        return self.schema.get("default")

    @property
    def optional(self) -> bool:
        return any(s.get("type") == "null" for s in self.schema.get("anyOf", ()))

    @property
    def secret(self) -> bool:
        return bool(self.schema.get("writeOnly"))

    @property
    def plugin(self) -> str:
        """The kind of plugin that it names; "" for none."""
        return str(self.schema.get("x-plugins", ""))

    @property
    def alternatives(self) -> list[Mapping[str, Any]]:
        return [s for s in self.schema.get("anyOf", (self.schema,)) if s.get("type") != "null"]

    @property
    def kind(self) -> str:
        """offered, boolean, choice, several, list, number, integer, long or text."""
        kinds = self.alternatives
        if self.offered:
            return "offered"
        if len(kinds) != 1:
            return "text"
        only = kinds[0]
        if only.get("type") == "array":
            return "several" if self.allowed else "list"
        if self.allowed:
            return "choice"
        if only.get("type") in ("boolean", "number", "integer"):
            return str(only["type"])
        return "long" if self.name in LONG_TEXTS else "text"

    @property
    def allowed(self) -> tuple[Any, ...]:
        """What may be chosen."""
        only = self.alternatives[0]
        installed = self.schema.get("examples", ()) if self.plugin else ()
        return tuple(only.get("enum") or only.get("items", {}).get("enum") or installed or self.choices)

    @property
    def range(self) -> tuple[float | None, float | None]:
        only = self.alternatives[0]
        return only.get("minimum", only.get("exclusiveMinimum")), only.get("maximum", only.get("exclusiveMaximum"))

    @property
    def slides(self) -> bool:
        """Whether a slider can set it: both ends known, not too far apart, and always a value."""
        low, high = self.range
        ends = low is not None and high is not None and high - low <= MOST_SLIDER
        return ends and not self.optional and self.default is not None

    def given(self, shown: Any) -> Any:
        """The value that a control's content stands for; None where it says nothing but the default."""
        value = self._typed(shown)
        if value in (None, "", []) or value == self.default:
            return None
        if isinstance(self.default, list | tuple) and list(self.default) == value:
            return None
        return value

    def shown(self, value: Any) -> Any:
        """What a control of this field shows for a value of a request."""
        value = self.default if value is None else value
        if self.kind == "boolean" and self.optional:
            return "" if value is None else str(bool(value)).lower()
        if self.kind == "list" or (self.kind == "text" and isinstance(value, list | tuple)):
            return ", ".join(map(str, value or ()))
        if self.kind in ("number", "integer"):
            return "" if value is None else value
        if self.kind == "several":
            return list(value or ())
        if self.kind == "boolean":
            return bool(value)
        return "" if value is None else str(value) if self.kind != "choice" else value

    def _typed(self, shown: Any) -> Any:
        if self.kind == "boolean" and self.optional:
            return {"true": True, "false": False}.get(str(shown).lower())
        if self.kind == "list" and isinstance(shown, str):
            parts = [p.strip() for p in shown.split(",") if p.strip()]
            numeric = self.alternatives[0].get("items", {}).get("type") in ("number", "integer")
            return [_number(p) for p in parts] if numeric else parts
        if self.kind == "integer" and isinstance(shown, float) and shown.is_integer():
            return int(shown)
        numeric = self.kind in ("number", "integer") or self.kind == "text" and len(self.alternatives) > 1
        if numeric and isinstance(shown, str) and shown.strip():
            return _number(shown.strip())
        return shown.strip() if isinstance(shown, str) else shown


def fields_of(schema: Mapping[str, Any], owner: str = "", leave: Collection[str] = ()) -> dict[str, Field]:
    """The fields of an object's schema that are no objects themselves, in order, by name."""
    found = {}
    for name, about in schema.get("properties", {}).items():
        kinds = (about, about.get("items", {}), *about.get("anyOf", ()))
        if name not in leave and not any(k.get("type") == "object" for k in kinds):
            every = about.get("default") if name in _OF_DEFAULT else None
            found[name] = Field(name, about, owner, tuple(every or KNOWN.get(name, ())))
    return found


def tables_of(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The schemas of objects within an object, such as the settings of one of several things."""
    return {n: about for n, about in schema.get("properties", {}).items() if about.get("properties")}


def tasks_of(schema: Mapping[str, Any]) -> dict[str, dict[str, Field]]:
    """The fields of every task, by the task's name."""
    kinds = schema.get("properties", {}).get("task", {}).get("anyOf", ())
    return {s["title"]: fields_of(s, "task", ("name",)) for s in kinds if "title" in s}


def _number(text: str) -> Any:
    """A number where it is one; else the text, which the core refuses with its own sentence."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
