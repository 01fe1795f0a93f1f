"""Options: one declaration, from which parsing, checks, schema and display derive."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from postponed_annotations import Postponed

from acestep_core import TimestepSampler, UserError, option
from acestep_core.options import SECRET, check_values, options_of, parse_options


class Sampler(TimestepSampler):
    """A sampler with an option of every type."""

    name = "every"

    count: int = option(8, "how many", ge=1, le=100)
    width: float = option(1.0, "how wide", gt=0, lt=10)
    seed: int | None = option(None, "drives it", ge=0, lt=2**63)
    offset: float = option(0.5, "moves it", ge=0, le=1)
    mode: Literal["mean", "max", "min"] = option("mean", "which of them")
    order: Literal[1, 2] = option(1, "of the method")
    sharp: bool = option(False, "with edges")
    names: list[str] = option(["q", "k"], "of layers")
    kinds: list[Literal["q", "k", "v"]] = option(["q"], "of layers")
    edges: tuple[float, ...] = option((0.0, 1.0), "where it bends", ge=0, le=1)
    span: tuple[int, float] = option((1, 0.5), "from, to")
    folder: Path | None = option(None, "with tables")
    token: str = option("", "for the service", secret=True)
    device: int | str = option("auto", "number or name")
    speed: float | Literal["auto"] | None = option(None, "number, or a word", gt=0, le=1)

    def sample(self, u: Any) -> Any:
        return u


@dataclass(frozen=True, kw_only=True)
class Settings:
    songs: Path = option(help="folder")
    steps: int = option(help="how many", ge=1)
    rate: float = option(0.1, "how fast")


def parsed(**given: Any) -> dict[str, Any]:
    values, errors = parse_options(Sampler, given, "sampler 'every'")
    assert not errors, [str(e) for e in errors]
    return values


def problem(**given: Any) -> str:
    values, errors = parse_options(Sampler, given, "sampler 'every'")
    assert len(errors) == 1 and not values
    return str(errors[0])


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("count", "32", 32),
        ("count", "1e1", 10),
        ("count", "7.0", 7),
        ("width", "1e-3", 0.001),
        ("width", "3", 3.0),
        ("seed", "none", None),
        ("seed", "0", 0),
        ("mode", "max", "max"),
        ("speed", "0.5", 0.5),
        ("speed", "auto", "auto"),
        ("speed", "none", None),
        ("order", "2", 2),
        ("names", "q, k,v", ["q", "k", "v"]),
        ("names", "", []),
        ("kinds", "v,k", ["v", "k"]),
        ("edges", "0,0.25,1", (0.0, 0.25, 1.0)),
        ("span", "3,4", (3, 4.0)),
        ("folder", "a/b", Path("a/b")),
        ("device", "1", 1),
        ("device", "cuda:1", "cuda:1"),
    ],
)
def test_text_becomes_the_declared_type(name: str, text: str, value: Any):
    got = parsed(**{name: text})[name]
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    "name, value",
    [("count", 32), ("width", 2.5), ("seed", 0), ("seed", None), ("sharp", True), ("names", []), ("edges", (0.5,))],
)
def test_typed_values_stay_as_they_are(name: str, value: Any):
    assert parsed(**{name: value}) == {name: value}


def test_a_whole_number_given_for_a_float_becomes_a_float():
    assert type(parsed(width=3)["width"]) is float


@pytest.mark.parametrize("word", ["true", "yes", "on", "1", "True", "ON"])
def test_words_for_yes(word: str):
    assert parsed(sharp=word) == {"sharp": True}


@pytest.mark.parametrize("word", ["false", "no", "off", "0", "No"])
def test_words_for_no(word: str):
    assert parsed(sharp=word) == {"sharp": False}


@pytest.mark.parametrize("word", ["maybe", "", "2", 1, 0])
def test_other_words_are_neither_yes_nor_no(word: Any):
    assert "'sharp' must be bool" in problem(sharp=word)


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("count", 0, "at least 1, not 0"),
        ("count", 101, "at most 100, not 101"),
        ("width", "0", "above 0, not 0.0"),
        ("width", 10, "below 10, not 10.0"),
        ("seed", -1, "at least 0, not -1"),
        ("offset", -0.1, "at least 0, not -0.1"),
        ("offset", "1.0000001", "at most 1, not 1.0000001"),
        ("edges", "0,2", "at most 1, not 2.0"),
    ],
)
def test_bounds_are_told(name: str, value: Any, said: str):
    assert f"option '{name}' must be {said}" in problem(**{name: value})


def test_values_on_a_closed_bound_are_allowed():
    assert parsed(count=1, offset=0, seed=0) == {"count": 1, "offset": 0.0, "seed": 0}


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1])
def test_a_large_seed_is_read_exactly(number: int):
    assert parsed(seed=str(number)) == parsed(seed=number) == {"seed": number}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", math.nan, math.inf, 10**400, "wide", "", [1], True])
def test_what_is_no_finite_number_is_refused(value: Any):
    assert "'width' must be float" in problem(width=value)


@pytest.mark.parametrize("value", ["1.5", 1.5, "nan", "x", False, [3]])
def test_what_is_no_whole_number_is_refused(value: Any):
    assert "'count' must be int" in problem(count=value)


def test_none_is_refused_where_it_means_nothing():
    assert "'count' must be int, not none" in problem(count=None)
    assert "'speed' must be float|auto, not 'fast'" in problem(speed="fast")
    assert "'speed' must be at most 1" in problem(speed="2")
    assert "'count' must be int, not 'none'" in problem(count="none")


def test_a_wrong_choice_names_the_nearest():
    said = problem(mode="maxx")
    assert "must be mean|max|min, not 'maxx'" in said and "did you mean 'max'?" in said


@pytest.mark.parametrize("name, value", [("kinds", "q,x"), ("span", "1,2,3"), ("names", 3), ("edges", {"a": 1})])
def test_a_wrong_list_is_refused(name: str, value: Any):
    assert f"option '{name}' must be list of" in problem(**{name: value})


def test_all_problems_are_told_at_once_with_the_nearest_names():
    _, errors = parse_options(Sampler, {"cuont": 3, "width": "x", "offset": 2}, "sampler 'every'")
    told = "\n".join(map(str, errors))
    assert len(errors) == 3
    assert "sampler 'every' has no option 'cuont'\n  did you mean 'count'?" in told
    assert "'width'" in told and "'offset'" in told


def test_dashes_and_underscores_are_the_same_and_missing_options_are_told_once():
    values, errors = parse_options(Settings, {"songs": "a", "st-eps": 1}, "train")
    assert values == {"songs": Path("a")}
    assert [e.problem for e in errors] == ["train has no option 'st-eps'", "train needs the option 'steps'"]


def test_a_required_option_with_a_wrong_value_is_one_problem():
    _, errors = parse_options(Settings, {"songs": "a", "steps": 0}, "train")
    assert [e.problem for e in errors] == ["train: option 'steps' must be at least 1, not 0"]


def test_an_object_made_in_python_obeys_the_same_rules():
    made = Sampler(count="12", width=2, seed=0, folder="x", edges=[0, 1])
    assert (made.count, made.width, made.seed, made.folder, made.edges) == (12, 2.0, 0, Path("x"), (0.0, 1.0))
    with pytest.raises(UserError, match=r"'every' has 2 problems:\n.*'count'.*\n.*'offset'"):
        Sampler(count=0, offset=math.nan)


def test_settings_that_are_no_plugin_are_checked_too():
    settings = Settings(songs="a", steps="3")
    assert not check_values(settings, "train") and settings == Settings(songs=Path("a"), steps=3)
    assert [e.problem for e in check_values(Settings(songs="a", steps=0), "train")] == [
        "train: option 'steps' must be at least 1, not 0"
    ]


def test_options_are_frozen_but_underscore_state_is_not():
    made = Sampler()
    made._seen = 1
    with pytest.raises(AttributeError, match="option 'count' of 'every' is frozen"):
        made.count = 3
    assert (made._seen, made.count) == (1, 8)


def test_a_list_default_is_not_shared():
    first = Sampler()
    first.names.append("v")
    assert Sampler().names == ["q", "k"]


def test_a_secret_is_shown_nowhere():
    made = Sampler(token="sk-123")
    assert made.token == "sk-123"
    assert made.options()["token"] == SECRET and "sk-123" not in repr(made)
    assert "sk-123" not in problem(token=["sk-123"])


def test_an_empty_secret_is_seen_to_be_empty():
    assert Sampler().options()["token"] == ""


def test_options_are_plain_json_types():
    shown = Sampler(folder="a", edges=(0, 1)).options()
    assert (shown["folder"], shown["edges"], shown["seed"], shown["sharp"]) == ("a", [0.0, 1.0], None, False)


def test_postponed_annotations_work_even_if_some_cannot_be_resolved():
    assert [o.type_name() for o in options_of(Postponed).values()] == ["float", "list of float", "up|down"]
    assert Postponed(power="2", edges="0,1", mode="down").edges == [0.0, 1.0]
    with pytest.raises(UserError, match="'mode' must be up|down"):
        Postponed(mode="left")
