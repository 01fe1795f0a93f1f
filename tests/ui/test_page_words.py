"""The three languages are whole, and the browser's own is chosen."""

import json
import re
import string
from pathlib import Path

import pytest

from acestep_core import events, lm
from acestep_plugins.commands.serve import kinds as serve
from acestep_plugins.commands.serve.kinds import KINDS
from acestep_plugins.commands.ui import words as module
from acestep_plugins.commands.ui.words import LANGUAGES, SECTIONS, preferred, words

FOLDER = Path(module.__file__).parent / "languages"


def content(language: str) -> dict[str, dict[str, str]]:
    return json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("section", ("text", "label", "stage"))
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_things_with_the_same_blanks(language: str, section: str):
    own, english = content(language)[section], content("en")[section]
    assert set(own) == set(english)
    assert all(own.values())
    if section == "text":
        assert {k for k in own if places(own[k]) != places(english[k])} == set()


@pytest.mark.parametrize("section", ("help", "reason", "value"))
def test_chinese_and_japanese_explain_the_same_fields(section: str):
    assert set(content("zh")[section]) == set(content("ja")[section])
    assert all(content("zh")[section].values()) and all(content("ja")[section].values())


def test_every_stage_of_every_kind_of_job_has_a_name():
    kinds, core = Path(serve.__file__).parent, Path(lm.__file__).parent
    source = "".join(
        p.read_text(encoding="utf-8") for p in (*kinds.glob("*.py"), *core.glob("*.py"), Path(events.__file__))
    )
    stages = set(re.findall(r"""(?:progress|on_token)\("([a-z ]+)\"""", source))
    stages |= set(re.findall(r"\w+", re.search(r"`stage` is ([\w, ]+) \(", source)[1])) - {"or"}
    assert stages > {"songs", "train", "plan", "steps"}
    assert set(content("en")["stage"]) == stages | set(KINDS)


def test_the_files_hold_nothing_else():
    assert sorted(p.stem for p in FOLDER.glob("*.json")) == sorted(LANGUAGES)
    for language in LANGUAGES:
        assert set(content(language)) == {"name", *SECTIONS}


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"), ("", "en"), ("fr-FR,de;q=0.8", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("ja", "ja"),
        ("en;q=0.4, ja;q=0.7", "ja"), ("fr, zh-TW;q=0.5, ja;q=0.2", "zh"), ("zh;q=0, en;q=0.1", "en"),
        ("zh;q=high,ja", "zh"),
    ],
)  # fmt: skip
def test_the_language_is_the_one_the_browser_likes_best_of_ours(accepted: str | None, language: str):
    assert preferred(accepted) == language


def test_a_field_has_its_own_text_where_nobody_translated_it():
    said = words("ja")
    assert said.label("flux_capacity") == "Flux capacity"
    assert said.help("flux_capacity", "how much flux") == "how much flux"
    assert said.label("steps", "train") != "Steps"
    assert said.help("steps", "", "train") != said.help("steps", "", "generate")


def test_a_text_that_nobody_wrote_is_a_bug():
    with pytest.raises(KeyError):
        words("en")("no such text")
