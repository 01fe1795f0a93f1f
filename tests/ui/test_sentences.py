"""What the core says in English is said in the page's language: every sentence of the source, and none that is gone."""

import json
import re
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from sentences import Source

from acestep_core.api import KINDS
from acestep_core.registry import registry
from acestep_plugins.commands.serve.models_api import described
from acestep_plugins.commands.ui import words as module
from acestep_plugins.commands.ui.sentences import BLANK, FLAG, TOGETHER, Sentences
from acestep_plugins.commands.ui.words import LANGUAGES, SENTENCES, words

TREE = Path(__file__).parents[2]
FOLDER = Path(module.__file__).parent / "languages" / SENTENCES
OTHERS = [name for name in LANGUAGES if name != "en"]
# Said at a terminal alone.
ELSEWHERE = [
    *(f"acestep_core/{name}" for name in ("wizard", "testing", "demonstration", "commands", "hub", "scaffold.py",
                                          "cli.py", "players.py", "bench.py", "sameness.py")),
    *(f"plugins/acestep_plugins/{name}" for name in ("executors", "commands/serve/reference", "commands/ui/starting.py",
                                                     "commands/serve/__init__.py", "commands/serve/settings.py")),
]  # fmt: skip
HELP = (
    "add it to plugins/acestep_plugins/commands/ui/languages/sentences/*.json, with {0}, {1} for what is filled in; "
    'in a language that you do not know give it "", and the page says it in English until somebody does'
)


@cache
def said() -> frozenset[str]:
    source = Source.below([TREE / "acestep_core", TREE / "plugins"])
    left = tuple(str(TREE / name) for name in ELSEWHERE)
    return frozenset(t for m in source.modules if not str(m.path).startswith(left) for t in source.sentences(m))


@cache
def plugins_say() -> frozenset[str]:
    own = [k for kind in KINDS for k in registry().known(kind) if k.dist == "acestep-core"]
    return frozenset(told["about"] for told in map(described, own) if told["about"])


def filled(english: str) -> str:
    number = count()
    return re.sub(r"\{\}", lambda _: f"‹{next(number)}›", english)


@cache
def translations(language: str) -> dict[str, str]:
    return json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_is_there_and_none_that_nobody_says(language: str):
    known = set(translations(language)) - set(TOGETHER)
    assert set(TOGETHER) <= set(translations(language))
    assert sorted((said() | plugins_say()) - known) == [], HELP
    assert sorted(known - said() - plugins_say()) == [], "nothing says this any more: take it out"


@pytest.mark.parametrize("language", OTHERS)
def test_translations_have_the_same_blanks_and_flags(language: str):
    for english, text in translations(language).items():
        wanted = {str(n) for n in range(english.count(BLANK))}
        assert not text or set(re.findall(r"\{(\d*)\}", text)) == wanted, english
        assert not text or set(re.findall(FLAG, text)) == set(re.findall(FLAG, english)), english


@pytest.mark.parametrize("language", OTHERS)
def test_each_is_found_again_with_something_filled_in(language: str):
    say = words(language).said
    english = [e for e, text in translations(language).items() if text and e not in TOGETHER]
    found = {e: say(filled(e)) for e in english}
    wanted = {e: re.sub(r"\{(\d+)\}", r"‹\1›", translations(language)[e]) for e in english}
    assert {e: (found[e], wanted[e]) for e in english if found[e] != wanted[e]} == {}


def test_the_page_says_it_in_english_to_english_readers():
    assert words("en").said("There is no folder x\n  check its path") == "There is no folder x\n  check its path"


SAY = Sentences(
    {
        "There is no folder {}": "没有文件夹 {0}",
        "check its path": "检查路径",
        "{} has {} problems:\n{}": "{0}有 {1} 个问题：\n{2}",
        "{} lies in {}": "{1} 里有 {0}",
        "shorten --fade-in": "缩短 --fade-in ",
        "not yet written": "",
        "try -o backend.dtype=float32 here": "这里试试 -o backend.dtype=float32",
        "{}: {} s are missing": "{0}：缺少 {1} 秒",
        "the file ends in the middle: {}": "文件在中间结束：{0}",
        "give {}": "给出 {0}",
        "{} do not fit:\n  {}": "{0} 不匹配：\n  {1}",
        "- {} ({})": "- {0}（{1}）",
        "{}; {}": "{0}；{1}",
        "{}: {}": "{0}：{1}",
    }
)


@pytest.mark.parametrize(
    ("english", "own"),
    [
        ("There is no folder my songs", "没有文件夹 my songs"),
        ("There is no folder x\n  check its path", "没有文件夹 x\n  检查路径"),
        ("a lies in b", "b 里有 a"),
        ("There is no folder x; check its path", "没有文件夹 x；检查路径"),
        ("a b.wav: There is no folder x; check its path", "a b.wav：没有文件夹 x；检查路径"),
        ("a.wav: 3 s are missing", "a.wav：缺少 3 秒"),
        ("the file ends in the middle: There is no folder x", "文件在中间结束：没有文件夹 x"),
        ("load has 2 problems:\n  - There is no folder x (check its path)\n  - other words (check its path)",
         "load有 2 个问题：\n  - 没有文件夹 x（检查路径）\n  - other words（检查路径）"),
        ("two do not fit:\n  a (1, 2)\n  b (3)", "two 不匹配：\n  a (1, 2)\n  b (3)"),
        ("give my song.wav", "给出 my song.wav"),
        ("give it to somebody who knows better", "give it to somebody who knows better"),
        ("shorten 'fade_in'", "缩短 'fade_in' "),
        ("shorten --fade-in", "缩短 --fade-in "),
        ("try 'options.backend.dtype' float32 here", "这里试试 'options.backend.dtype' float32"),
        ("not yet written", "not yet written"),
        ("A third party says: something else", "A third party says: something else"),
        ("", ""),
    ],
)  # fmt: skip
def test_sentences_are_found_in_whatever_they_are_put_together_to(english: str, own: str):
    assert SAY(english) == own


@pytest.mark.parametrize("text", ["a: b; " * 600, "x " * 20_000, "give a: " * 300, "- a (b) " * 300])
def test_whatever_a_third_party_says_comes_through(text: str):
    assert words("zh").said(text).count("x") == text.count("x")
