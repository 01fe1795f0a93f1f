"""JSON Schema becomes controls, and what they hold becomes a request again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from acestep_core import option
from acestep_core.options import schema_of
from acestep_plugins.commands.ui.fields import Field, fields_of, tables_of, tasks_of


@dataclass(frozen=True)
class Every:
    """One option of each kind."""

    sharp: bool = option(False, "with edges")
    maybe: bool | None = option(None, "or not")
    mode: Literal["mean", "max"] = option("mean", "which")
    order: Literal[1, 2] | None = option(None, "of the method")
    share: float = option(0.5, "of all", ge=0, le=1)
    count: int = option(3, "how many", ge=1)
    seed: int | None = option(None, "drives it", ge=0)
    rate: float | Literal["auto"] | None = option(None, "a number, or a word", gt=0)
    edges: tuple[float, ...] = option((), "where it bends")
    kinds: list[Literal["q", "k"]] = option(["q"], "of layers")
    names: list[str] = option([], "any")
    caption: str = option("", "long")
    path: Path | None = option(None, "a file")
    token: str = option("", "for a service", secret=True)


FIELDS = fields_of(schema_of(Every))


def test_every_option_has_its_kind_of_control():
    assert {n: f.kind for n, f in FIELDS.items()} == {
        "sharp": "boolean", "maybe": "boolean", "mode": "choice", "order": "choice", "share": "number",
        "count": "integer", "seed": "integer", "rate": "text", "edges": "list", "kinds": "several", "names": "list",
        "caption": "long", "path": "text", "token": "text",
    }  # fmt: skip
    assert [n for n, f in FIELDS.items() if f.slides] == ["share"]
    assert [n for n, f in FIELDS.items() if f.secret] == ["token"]
    assert FIELDS["share"].about == "of all" and FIELDS["mode"].allowed == ("mean", "max")


@pytest.mark.parametrize(
    ("name", "shown", "given"),
    [
        ("sharp", True, True), ("sharp", False, None), ("maybe", "", None), ("maybe", "false", False),
        ("mode", "mean", None), ("mode", "max", "max"), ("order", 2, 2), ("order", "", None),
        ("share", 0.5, None), ("share", 0, 0), ("count", 4.0, 4), ("seed", "", None), ("seed", "0", 0),
        ("seed", "12.5", 12.5), ("rate", "auto", "auto"), ("rate", "1e-4", 1e-4), ("edges", "1, 0.5,0", [1, 0.5, 0]),
        ("edges", "", None), ("kinds", ["q"], None), ("kinds", ["q", "k"], ["q", "k"]), ("names", "a, b", ["a", "b"]),
        ("caption", "  ", None), ("caption", " bells\n", "bells"), ("seed", "many", "many"),
    ],
)  # fmt: skip
def test_a_control_stands_for_a_value_and_the_default_for_none(name: str, shown: Any, given: Any):
    assert FIELDS[name].given(shown) == given


@pytest.mark.parametrize(
    ("name", "value"),
    [("maybe", False), ("order", 2), ("share", 0.0), ("seed", 0), ("rate", 0.001), ("edges", [1, 0.5, 0]),
     ("kinds", ["k"]), ("names", ["a", "b"]), ("caption", "bells"), ("path", "a/b.wav"), ("sharp", True)],
)  # fmt: skip
def test_what_is_shown_of_a_request_is_given_back(name: str, value: Any):
    assert FIELDS[name].given(FIELDS[name].shown(value)) == value
    assert FIELDS[name].given(FIELDS[name].shown(None)) is None


def test_names_of_plugins_are_choices():
    text = {"type": "string"}
    plugged = Field("solver", {**text, "default": "euler", "x-plugins": "solvers", "examples": ["euler", "my"]})
    several = Field("annotators", {"type": "array", "items": text, "x-plugins": "annotators", "examples": ["a"]})
    assert (plugged.kind, plugged.allowed) == ("choice", ("euler", "my"))
    assert (several.kind, several.allowed) == ("several", ("a",))


def test_objects_within_are_tables_and_tasks_and_no_fields():
    inner = schema_of(Every)
    named = {"name": {"const": "sing"}, **inner["properties"]}
    task = {"anyOf": [{"enum": ["sing"]}, {**inner, "title": "sing", "properties": named}]}
    outer = {"type": "object", "properties": {"own": {"type": "integer"}, "audio": inner, "task": task,
             "adapters": {"type": "array", "items": inner}}}  # fmt: skip
    assert list(fields_of(outer)) == ["own"]
    assert list(tables_of(outer)) == ["audio"]
    assert list(tasks_of(outer)) == ["sing"] and "name" not in tasks_of(outer)["sing"]
