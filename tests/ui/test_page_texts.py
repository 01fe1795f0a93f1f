"""No text of the page is written into it: with a language in which each is marked, nothing else is found."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pretended import Pretended

pytest.importorskip("gradio", reason="the extra 'ui' is not installed")

from acestep_plugins.commands.ui.page import build
from acestep_plugins.commands.ui.words import Words, words
from acestep_plugins.commands.ui.work import Work

SHOWN = ("label", "info", "placeholder", "title", "headers")
WRITTEN = ("button", "markdown", "html", "downloadbutton")  # components whose value is text of ours
DATA = re.compile(
    r"[\s\d\W]*|.*(<svg|<nav|<h1).*|\[(Intro|Verse|Pre-Chorus|Chorus|Bridge|Instrumental|Outro)\]", re.DOTALL
)


class Marked(Words):
    """Words whose every text can be told from any other."""

    def __call__(self, key: str, **values: Any) -> str:
        return f"«{super().__call__(key, **values)}»"

    def label(self, name: str, owner: str = "") -> str:
        return f"«{super().label(name, owner)}»"

    def help(self, name: str, own: str, owner: str = "") -> str:
        return f"«{super().help(name, own, owner)}»" if super().help(name, own, owner) else ""


@pytest.fixture(scope="module")
def components() -> list[Mapping[str, Any]]:
    english = words("en")
    page = build(Work(Pretended()), Marked("en", english.name, english.texts))
    return page.get_config_file()["components"]


def texts(component: Mapping[str, Any]) -> Iterator[str]:
    props = component["props"]
    for name in SHOWN:
        value = props.get(name)
        yield from value if isinstance(value, list) else [value] if isinstance(value, str) else []
    if component["type"] in WRITTEN and isinstance(props.get("value"), str):
        yield props["value"]


def test_every_text_comes_from_the_languages(components: list[Mapping[str, Any]]):
    found = {t for c in components for t in texts(c) if "«" not in t and not DATA.fullmatch(t)}
    assert found == set()


def test_every_field_of_a_request_for_music_has_a_control(components: list[Mapping[str, Any]]):
    ids = {c["props"].get("elem_id") for c in components}
    schema = Pretended().kinds()["generate"]["properties"]
    elsewhere = {"model", "variant", "backend", "lm", "lm_backend", "own_adapters", "adapters", "options", "task",
                 "thinking", "lm_settings", "audio", "query"}  # fmt: skip
    assert "music-query" in ids
    missing = [n for n in schema if n not in elsewhere and f"music-generate-{n}" not in ids]
    tables = [(t, n) for t in ("thinking", "lm_settings", "audio") for n in schema[t]["properties"]]
    missing += [n for t, n in tables if f"music-{t}-{n}" not in ids]
    tasks = {n for s in schema["task"]["anyOf"] for n in s.get("properties", {}) if n != "name"}
    missing += [n for n in tasks if f"music-task-{n}" not in ids]
    assert missing == []


def test_every_setting_of_a_training_and_its_plugins_has_a_control(components: list[Mapping[str, Any]]):
    ids = {c["props"].get("elem_id") for c in components}
    schema = Pretended().kinds()["train"]["properties"]
    elsewhere = {"model", "variant", "backend", "lm", "lm_backend", "samples", "options"}
    missing = [n for n in schema if n not in elsewhere and f"train-train-{n}" not in ids]
    missing += [n for n in schema["samples"]["properties"] if f"train-samples-{n}" not in ids]
    for plugin in Pretended().plugins():
        if plugin["kind"] in ("adapters", "samplers"):
            missing += [n for n in plugin["options"]["properties"] if f"train-{plugin['name']}-{n}" not in ids]
    assert missing == []


@pytest.mark.parametrize("language", ("zh", "ja"))
def test_labels_of_bundled_fields_are_translated(components: list[Mapping[str, Any]], language: str):
    """Those of our own kinds and plugins; a third party's say their own."""
    known, labels = words(language).texts["label"], set()
    for schema in Pretended().kinds().values():
        own = schema["properties"]
        labels |= set(own) | {n for s in own.values() for n in s.get("properties", {})}
    for plugin in Pretended().plugins():
        if plugin["kind"] not in ("extensions", "executors"):
            labels |= set(plugin["options"]["properties"])
    shown = {c["props"].get("elem_id", "").rpartition("-")[2] for c in components if c["props"].get("elem_id")}
    assert {n for n in labels & shown if not any(k == n or k.endswith(f".{n}") for k in known)} == set()
