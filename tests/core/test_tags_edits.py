"""Each edit on a list of tags, and the language that selects songs."""

from collections import Counter
from pathlib import Path

import pytest

from acestep_core import Song, UserError
from acestep_core.tags.edits import Add, Dedupe, Match, Remove, Rename, Replace, Sort
from acestep_core.tags.where import Selected, parse_where

NONE = Counter()


def edited(edit, tags, counts=NONE):
    return ", ".join(edit([t for t in tags.split(", ") if t], counts))


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (Add(("x",)), "a, b", "a, b, x"),
        (Add(("x", "y"), "start"), "a, b", "x, y, a, b"),
        (Add(("x",), "start", trigger="zxc"), "zxc, a", "zxc, x, a"),
        (Add(("x",), "start", trigger="zxc"), "a, zxc", "zxc, x, a"),
        (Add(("x",), "before:b"), "a, b", "a, x, b"),
        (Add(("x",), "after:A"), "a, b", "a, x, b"),
        (Add(("x",), "after:c"), "a, b", "a, b"),
        (Add(("A", "x", "X")), "a", "a, x"),
        (Remove(Match(("a", "c"))), "a, b, c, A", "b, A"),
        (Remove(Match(("a",), ignore_case=True)), "a, b, A", "b"),
        (Remove(Match((r"\d+ bpm",), regex=True)), "120 bpm, 120 bpm kick", "120 bpm kick"),
        (Replace(Match(("a",)), "x"), "a, b, a b", "x, b, a b"),
        (Replace(Match(("a",)), "b"), "a, c, b", "c, b"),
        (Replace(Match(("a",)), "x, y"), "a, c", "x, y, c"),
        (Replace(Match((r"(\w+) drums",), regex=True), r"\1 drum"), "slow drums, drums", "slow drum, drums"),
        (Rename("guitar", "gtr"), "electric guitar, guitars, Guitar", "electric gtr, guitars, Guitar"),
        (Rename("vocals", "vocal"), "female vocals, female vocal", "female vocal"),
        (Rename("吉他", "钢琴"), "木吉他, 女声", "木钢琴, 女声"),
        (Dedupe(), "Piano, piano, pi ano, ｐｉａｎｏ, female_vocal, female vocal", "Piano, pi ano, female_vocal"),
        (Dedupe(implied=True), "guitar, electric guitar, hat, chat", "electric guitar, hat, chat"),
        (Sort("alphabet"), "b, A, c", "A, b, c"),
        (Sort("alphabet", keep_first=1), "c, b, a", "c, a, b"),
        (Sort("order", ("rock", "vocal")), "x, vocal, y, rock", "rock, vocal, x, y"),
        (Sort("none", trigger="zxc"), "b, a, zxc", "zxc, b, a"),
        (Sort("alphabet", trigger="zxc"), "b, zxc, a", "zxc, a, b"),
    ],
    ids=str,
)  # fmt: skip
def test_edit(edit, before, after):
    assert edited(edit, before) == after


def test_sort_by_frequency_leaves_equals_in_their_order():
    assert edited(Sort(), "d, a, c, b", Counter({"b": 3, "a": 1, "c": 1, "d": 1})) == "b, a, c, d"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Add(("x",), "middle"), "no position 'middle'"),
        (lambda: Add(("x",), "before:"), "no position"),
        (lambda: Remove(Match(("(",), regex=True)), "no regular expression"),
        (lambda: Replace(Match(("(a)",), regex=True), r"\2"), "cannot be put in"),
        (lambda: Replace(Match(("a",)), ""), "No tag was given"),
        (lambda: Sort("order"), "needs its tags"),
        (lambda: Sort("alphabet", ("x",)), "needs its tags"),
    ],
)
def test_a_wrong_edit_is_one_sentence(make, said):
    with pytest.raises(UserError, match=said):
        make()


SONG = Song(Path("songs/Rock and Roll.wav"), bpm=128, keyscale="D minor", timesignature="4", language="ja",
            duration_s=200.0, genre="rock", lyrics="Rain\non me")  # fmt: skip
HAS = ("piano", "Female Vocal", "rhythm and blues")


@pytest.mark.parametrize(
    ("line", "selected"),
    [
        ("tag:piano", True),
        ("not tag:piano", False),
        ("not not tag:piano", True),
        ("tag:female_vocal", True),
        ("tag:vocal", False),
        ("tag~.*vocal", True),
        ("tag~vocal", False),
        ('tag:"rhythm and blues" and bpm>120', True),
        ("bpm>128", False),
        ("bpm>=128 AND bpm<129", True),
        ("bpm=128", True),
        ("key=Dm", True),
        ("key=D major", False),
        ("timesignature=4/4 and language=JA", True),
        ("not language=en", True),
        ("caption~^piano", True),
        ("lyrics~on me", True),
        ("genre=Rock", True),
        ('name="Rock and Roll.wav"', True),
        ("path~^songs/", True),
        ("has:genre and has:bpm and duration<200.5 and tags=3", True),
        ("not has:lyrics", False),
    ],
)
def test_where(line, selected):
    assert parse_where(line)(Selected(SONG, ", ".join(HAS), HAS)) is selected


def test_where_does_not_select_what_is_not_known():
    nothing = Selected(Song(Path("a.wav")), "", ())
    for line in ("bpm<300", "not not bpm>0", "key=D minor", "has:language", "has:caption", "tag:x", "has:bpm"):
        assert not parse_where(line)(nothing), line
    assert parse_where("not has:bpm and tags=0")(nothing)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("temp>3", "no field 'temp'"),
        ("langage=ja", "did you mean 'language'"),
        ("piano", "'piano' selects nothing"),
        ("tag:drum and bass", "'bass' selects nothing"),
        ("", "selects nothing"),
        ("bpm>fast", "bpm is a number"),
        ("bpm:3", "compares nothing"),
        ("key>3", "compares no numbers"),
        ("key=H", "is no key"),
        ("language=jp", "is no language code"),
        ("tag~(", "no regular expression"),
        ("tag:", "has no value"),
        ("tag:a or tag:b", "There is no 'or'"),
        ("has:tempo", "no field 'tempo'"),
        ("bpm>fast and temp>3", "2 problems"),
    ],
)
def test_a_wrong_where_is_one_sentence(line, said):
    with pytest.raises(UserError) as e:
        parse_where(line)
    assert said in str(e.value)
