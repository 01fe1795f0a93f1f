"""The wizard's questions as data, and the way through them."""

import json

import pytest

from acestep_core import UserError
from acestep_core.checkpoint import ModelInfo
from acestep_core.registry import registry
from acestep_core.wizard import checks
from acestep_core.wizard.question import Choice, Question, Session
from acestep_core.wizard.questions import QUESTIONS, START
from acestep_core.wizard.remembering import answers_file, remember, remembered
from acestep_core.wizard.walk import Walk, answered

TEA = Question("tea", "choice", "Which tea", "Of leaves.", choices=lambda s: [Choice("black"), Choice("green")])
CUPS = Question("cups", "number", "How many", "Cups.", default=lambda s: {"black": 1, "green": 5}[s.answers["tea"]],
                needs=("tea",), follows=("tea",))  # fmt: skip
MILK = Question("milk", "yes_no", "Milk", "Of cows.", idle=lambda s: "it is green" if s.answers.get("tea") == "green"
                else "", needs=("tea",), default=lambda s: False)  # fmt: skip
NAME = Question("name", "text", "For whom", "A name.", remembered=False)
TABLE = (TEA, CUPS, MILK, NAME)


def walk(**remembered: object) -> Walk:
    return Walk(TABLE, Session(registry()), remembered)


def through(w: Walk, *given: object) -> dict:
    for answer in given:
        w.answer(answer)
    return w.session.answers


def test_a_choice_is_made_by_number_or_name_and_numbers_and_words_are_read():
    w = walk()
    assert through(w, "2", "1,5", "Ann") == {"tea": "green", "cups": 1.5, "name": "Ann"}
    assert w.question is None
    assert through(walk(), "black", "3", "Y", "Ann")["milk"] is True


@pytest.mark.parametrize(
    "given, wrong, said",
    [
        ((), "blck", "did you mean 'black'?"),
        ((), "3", "known: black, green"),
        (("black",), "many", "type digits"),
        (("black",), "-1", "type digits"),
        (("black",), "nan", "type digits"),
        (("black", "1"), "perhaps", "answer y or n"),
        (("black", "1", "y"), "  ", "There is no answer"),
    ],
)
def test_a_wrong_answer_is_told_with_a_remedy_and_asked_again(given, wrong, said):
    w = walk()
    through(w, *given)
    question = w.question
    with pytest.raises(UserError) as e:
        w.answer(wrong)
    assert said in str(e.value) and w.question is question and question.key not in w.session.answers


def test_back_passes_over_what_is_not_asked_and_ends_at_the_first():
    w = walk()
    through(w, "green", "2")
    assert w.question is NAME
    w.back()
    assert w.question is CUPS
    w.back()
    assert w.question is TEA and w.session.answers == {}
    with pytest.raises(UserError, match="the first question"):
        w.back()


def test_after_going_back_what_was_answered_is_proposed_unless_it_was_meant_for_another_answer():
    w = walk()
    through(w, "black", "3", "y")
    for _ in range(3):
        w.back()
    assert w.default() == "black"
    w.answer("black")
    assert w.default() == 3.0
    w.back()
    w.answer("green")
    assert w.default() == 5


def test_answers_of_last_time_are_proposed_if_they_still_can_be():
    w = walk(tea="red", cups=4, milk=True)
    assert w.default() is None
    w = walk(tea="black", cups=4, milk=True)
    assert w.default() == "black"
    w.answer("black")
    assert w.default() == 4.0
    w.answer("4")
    assert w.default() is True


def test_only_what_may_be_is_remembered():
    w = walk(tea="black", cups=7)
    through(w, "green", "2", "Ann")
    assert w.remembered() == {"tea": "green", "cups": 2.0}


def test_a_table_answers_everything_and_every_mistake_in_it_is_told():
    session = Session(registry())
    assert answered(TABLE, session, {"tea": "black", "name": "Ann"}) == []
    assert session.answers == {"tea": "black", "cups": 1.0, "milk": False, "name": "Ann"}
    wrong = answered(TABLE, Session(registry()), {"tea": "green", "milk": True, "cups": "x", "nmae": "Ann"})
    assert [str(e).splitlines()[0] for e in wrong] == [
        "There is no question 'nmae'",
        "cups: 'x' is no number from 0",
        "'milk' is not asked here: it is green",
        "'name' is not answered: For whom",
    ]


def test_what_depends_on_a_wrong_answer_is_not_told_too():
    assert len(answered(TABLE, Session(registry()), {"tea": "red", "cups": "x", "name": "Ann"})) == 1


def test_every_question_can_be_shown_on_a_page(encoded, tiny):
    session = Session(registry(), {}, {"encoded": str(encoded.folder), "model": str(tiny), "memory": 12.0})
    told = [q.describe(session) for q in (*QUESTIONS, START)]
    json.dumps(told)
    assert all(t["text"] and t["help"].endswith(".") for t in told)
    assert len({t["key"] for t in told}) == len(told)
    assert "vram-12" in [c["name"] for t in told for c in t["choices"]]


@pytest.mark.parametrize(
    "memory, name",
    [(0, "quick"), (4, "vram-8"), (7.9, "vram-8"), (11.8, "vram-12"), (15, "vram-12"), (23.5, "vram-24"),
     (80, "vram-24")],
)  # fmt: skip
def test_the_preset_that_is_proposed_fits_the_memory(memory, name):
    assert checks.fitting_preset(Session(registry(), {}, {"memory": memory})) == name


@pytest.mark.parametrize(
    "memory, preset, xl, said",
    [(0, "quick", True, ["Without a GPU"]), (12, "vram-12", False, []), (12, "vram-16", False, ["It is for 16 GB"]),
     (24, "vram-24", True, ["An XL model has about 4 GB more"]), (4, "quality", False, [])],
)  # fmt: skip
def test_what_a_preset_does_not_fit_is_said(monkeypatch, tmp_path, memory, preset, xl, said):
    sizes = {"hidden_size": 2560, "encoder_hidden_size": 2048 if xl else 2560}
    monkeypatch.setattr(checks, "models", lambda session: [ModelInfo(tmp_path, sizes)])
    told = checks.about_preset(Session(registry(), {}, {"memory": memory, "preset": preset}))
    assert len(told) == len(said) and all(t.startswith(s) for t, s in zip(told, said, strict=True))


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def test_answers_are_kept_and_read_again(state):
    assert remembered() == {}
    remember({"steps": 5, "encoded": "größe"})
    assert remembered() == {"steps": 5, "encoded": "größe"}
    assert answers_file().parent == state / "state" / "acestep-core"


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_damaged_answers_are_one_sentence(state, content):
    answers_file().parent.mkdir(parents=True)
    answers_file().write_bytes(content)
    with pytest.raises(UserError, match=r"wizard\.json"):
        remembered()
