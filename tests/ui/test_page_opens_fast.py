"""What a browser has to do for each event, which decides how long the page takes to open: see `shell._seen_at`."""

from collections.abc import Mapping
from typing import Any

import pytest
from pretended import Pretended

pytest.importorskip("gradio", reason="the extra 'ui' is not installed")

import gradio as gr

from acestep_core.errors import UserError
from acestep_plugins.commands.ui.page import build
from acestep_plugins.commands.ui.shell import Shell, connect
from acestep_plugins.commands.ui.words import words
from acestep_plugins.commands.ui.work import Work


@pytest.fixture(scope="module")
def page() -> Mapping[str, Any]:
    return build(Work(Pretended()), words("en")).get_config_file()


@pytest.fixture(scope="module")
def events(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return page["dependencies"]


def test_an_event_is_seen_on_its_way_in_one_place_at_most(events: list[Mapping[str, Any]]):
    seen = {e["id"]: e["show_progress_on"] for e in events}
    assert {i for i, where in seen.items() if where is None or len(where) > 1} == set()
    assert {e["id"] for e in events if e["show_progress"] == "hidden" and e["show_progress_on"]} == set()


def test_what_is_done_on_opening_asks_the_browser_for_nothing(events: list[Mapping[str, Any]]):
    loads = [e for e in events if any(name == "load" for _, name in e["targets"])]
    assert [e["inputs"] for e in loads] == [[]]


def test_what_the_parts_of_the_page_show_on_opening_is_put_together_and_a_problem_of_one_keeps_no_other():
    def fails() -> str:
        raise UserError("There is no server", "start it")

    with gr.Blocks() as page:
        choice, text, missing = gr.Dropdown(), gr.Textbox(), gr.Textbox()
        shell = Shell(Work(Pretended()), words("en"))
        shell.on_load(lambda: [gr.update(choices=["a"]), "now"], [choice, text])
        shell.on_load(fails, [missing])
        shell.on_load(lambda: gr.update(value="a"), [choice])
        connect(shell, page)
    (event,) = page.fns.values()
    *shown, told = event.fn()
    assert shown == [gr.update(choices=["a"], value="a"), "now", gr.skip()]
    assert "There is no server" in told and "start it" in told


def test_a_problem_leaves_the_controls_as_they_are_and_stays_until_a_button_does_what_it_should():
    def answered(asked: str) -> list[str]:
        if not asked:
            raise UserError("There is no <server>", "start it")
        return [asked, asked]

    with gr.Blocks() as page:
        shell, box, text, button = Shell(Work(Pretended()), words("en")), gr.Textbox(), gr.Textbox(), gr.Button()
        shell.when(box.change, answered, [box], [box, text])
        shell.when(button.click, answered, [box], [box, text])
    by_itself, pressed = (event.fn for event in page.fns.values())
    first, second = by_itself(""), by_itself("")
    assert first[:2] == second[:2] == [gr.skip(), gr.skip()]
    assert "There is no &lt;server&gt;" in first[2] and first[2] != second[2]  # else the browser would draw nothing
    assert (by_itself("a"), pressed("a")) == (["a", "a", gr.skip()], ["a", "a", ""])


def test_an_event_of_many_controls_is_one(events: list[Mapping[str, Any]]):
    same = {(tuple(e["inputs"]), tuple(e["outputs"])) for e in events if len(e["inputs"]) > 50}
    assert len([e for e in events if len(e["inputs"]) > 50]) < 2 * len(same)


def test_no_event_goes_by_the_stream_which_loses_outcomes(page: Mapping[str, Any], events: list[Mapping[str, Any]]):
    """Without it nobody is told the changes of a state, so that no event may wait for one."""
    states = {c["id"] for c in page["components"] if c["type"] == "state"}
    assert states and {e["id"] for e in events for target, _ in e["targets"] if target in states} == set()
    assert {e["id"] for e in events if e["queue"] is not False and e["backend_fn"]} == set()


def test_unseen_texts_are_there_whatever_tab_is_open(page: Mapping[str, Any]):
    def below(part: Mapping[str, Any]) -> set[int]:
        inner = part.get("children") or []
        return {p["id"] for p in inner}.union(*map(below, inner))

    unseen = {c["id"] for c in page["components"] if c["props"].get("visible") == "hidden"}
    (tabs,) = (part for part in page["layout"]["children"] if len(below(part)) > 100)
    assert unseen and not unseen & below(tabs)
