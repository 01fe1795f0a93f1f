"""Section tags: what is one, and how they get into a person's lyrics without touching a word."""

import pytest

from acestep_core import UserError
from acestep_core.section_tags import has_tags, is_tag, with_tags, words_of

LYRICS = "Rain  on the roof\n(oh)\n[never sung]\n\n\nSun again"


@pytest.mark.parametrize("line", [
    "[Verse]", " [verse 1] ", "[Pre-Chorus 2]", "[Prechorus]", "[Chorus - anthemic]", "[Intro: soft piano]",
    "[Guitar Solo]", "[Final Chorus]", "[Bridge | whispered]", "[Outro (fade out)]", "[Inst]", "[Spoken Word]",
])  # fmt: skip
def test_these_are_tags(line: str):
    assert is_tag(line) and has_tags(f"la\n{line}\nla") and words_of(line) == []


@pytest.mark.parametrize("line", [
    "", "Verse", "[oh]", "[never sung]", "(Chorus)", "[Verse] la", "[00:12.50]", "[]", "[[Verse]]", "[ ]", "[Universe]",
    "[and so we all go back to the chorus]",
])  # fmt: skip
def test_these_are_words(line: str):
    assert not is_tag(line) and words_of(line) == line.split()


def test_tags_go_into_the_lyrics_as_they_stand():
    answer = "[Verse 1]\nRain on the roof\n(oh)\n[never sung]\n[Guitar Solo]\n\n[Chorus]\nSun   again\n[Outro]"
    assert with_tags(LYRICS, answer, "ears") == (
        "[Verse 1]\nRain  on the roof\n(oh)\n[never sung]\n\n\n[Guitar Solo]\n[Chorus]\nSun again\n\n[Outro]"
    )


@pytest.mark.parametrize("answer", [
    "[Verse]\nRain on the roof\n(oh)\n[never sung]\nsun again",  # a letter
    "[Verse]\nRain on the roof\n(oh)\n[never sung]",  # a line too few
    "[Verse]\nRain on the roof\n(oh)\n[never sung]\nSun again\nSun again",  # one too many
    "[Verse]\nRain on\nthe roof\n(oh)\n[never sung]\nSun again",  # another line break
    "[Verse]\nRain on the roof (oh)\n[never sung]\nSun again",
    "[Verse]\nRain on the roof\n(oh)\nSun again",  # a bracket that is no tag
    "[Verse]\nRain on the roof\n(oh)\n[never sung]\n[softly]\nSun again",
    "Here you are:\n[Verse]\nRain on the roof\n(oh)\n[never sung]\nSun again",
    "", "[Verse]",
])  # fmt: skip
def test_an_answer_that_changes_more_than_tags_is_refused(answer: str):
    with pytest.raises(UserError, match="ears changed words"):
        with_tags(LYRICS, answer, "ears")


def test_an_answer_without_a_tag_is_told():
    with pytest.raises(UserError, match="ears found no section"):
        with_tags(LYRICS, LYRICS, "ears")


def test_every_word_and_space_of_the_lyrics_is_in_the_result_in_its_order():
    lines = [f"{'  ' * (i % 3)}line {i}{' ' * (i % 2)}" for i in range(40)]
    for blank in range(3, 38, 7):
        lines.insert(blank, "")
    answer = [
        part for i, line in enumerate(lines) for part in ([f"[Verse {i}]"] if i % 5 == 0 else []) + [line.strip()]
    ]
    tagged = with_tags("\n".join(lines), "\n".join(answer), "ears").splitlines()
    assert [t for t in tagged if t.strip() and not is_tag(t)] == [t for t in lines if t.strip()]
    assert sum(map(is_tag, tagged)) == len([a for a in answer if is_tag(a)])
