"""Tokens of a lyric text and the lines they are of; every character is a token here."""

import pytest

from acestep_core import UserError
from acestep_core.alignment.words import lyric_tokens, sung_lines
from acestep_core.prompts import lyric_text

LYRICS = "[Verse 1]\nla la\n\n[Chorus] rain (oh)\n[whispered words stay]\n  雨"


def tokens(language="en"):
    text = lyric_text(LYRICS, language)
    return text, lyric_tokens(LYRICS, language, [(i, i + 1) for i in range(len(text))])


@pytest.mark.parametrize("language", ["en", "unknown"])
def test_lines_know_their_tokens(language):
    text, found = tokens(language)
    assert text[found.first : found.last] == LYRICS
    said = ["".join(LYRICS[r] for r in line.rows) for line in found.lines]
    assert said == ["lala", "rain(oh)", "[whisperedwordsstay]", "雨"]
    assert [line.text for line in found.lines] == ["la la", "rain (oh)", "[whispered words stay]", "雨"]
    assert "".join(LYRICS[r] for r in found.sung) == "lalarain(oh)雨"


def test_tokens_across_lines_belong_to_the_first_word():
    text = lyric_text("a\nb", "en")
    at = text.index("a\nb")
    found = lyric_tokens("a\nb", "en", [(0, at), (at, at + 1), (at + 1, at + 3), (at + 3, len(text))])
    assert [line.rows for line in found.lines] == [(0,), (1,)] and found.first == 1 and found.last == 3


@pytest.mark.parametrize("lyrics", ["", "[Instrumental]", "[Verse]\n\n[Guitar Solo]", "..."])
def test_no_words(lyrics):
    with pytest.raises(UserError, match="no words to time"):
        sung_lines(lyrics)
