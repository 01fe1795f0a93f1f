"""What a browser has to do for each event, which decides how long the page takes to open: see `shell._seen_at`."""

from collections.abc import Mapping
from typing import Any

import pytest
from pretended import Pretended

pytest.importorskip("gradio", reason="the extra 'ui' is not installed")

from acestep_plugins.commands.ui.page import build
from acestep_plugins.commands.ui.words import words
from acestep_plugins.commands.ui.work import Work


@pytest.fixture(scope="module")
def events() -> list[Mapping[str, Any]]:
    return build(Work(Pretended()), words("en")).get_config_file()["dependencies"]


def test_an_event_is_seen_on_its_way_in_one_place_at_most(events: list[Mapping[str, Any]]):
    seen = {e["id"]: e["show_progress_on"] for e in events}
    assert {i for i, where in seen.items() if where is None or len(where) > 1} == set()
    assert {e["id"] for e in events if e["show_progress"] == "hidden" and e["show_progress_on"]} == set()


def test_what_is_done_on_opening_asks_the_browser_for_nothing(events: list[Mapping[str, Any]]):
    loads = [e for e in events if any(name == "load" for _, name in e["targets"])]
    assert loads and all(e["inputs"] == [] for e in loads)


def test_an_event_of_many_controls_is_one(events: list[Mapping[str, Any]]):
    same = {(tuple(e["inputs"]), tuple(e["outputs"])) for e in events if len(e["inputs"]) > 50}
    assert len([e for e in events if len(e["inputs"]) > 50]) < 2 * len(same)
