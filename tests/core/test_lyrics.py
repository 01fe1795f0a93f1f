"""Lyrics without their times: .lrc, .srt, .vtt and texts with stamps in them."""

import random

import pytest

from acestep_core.answers import Segment
from acestep_core.lyrics import clean_lyrics, has_times, lyrics_diff, parse_timed

LRC = """\ufeff[ti:Rain]
[ar: Someone]
[offset:+500]
[00:01.50][Verse]
[00:02.00]Rain on the roof
[00:04.25]<00:04.25>and <00:04.80>on <00:05.10>me

[Chorus]
[00:08.00][00:16.00]Sing
"""
SRT = """1
00:00:01,000 --> 00:00:03,500
<i>Rain</i> on the roof

2
00:00:04,000 --> 00:00:06,000 X1:40 X2:600
{\\an8}and on me
still
"""
VTT = """WEBVTT - made somewhere
Kind: captions

NOTE
nobody sings this

STYLE
::cue { color: red }

intro
00:01.000 --> 00:03.500 align:start position:0%
<v Ann>Rain <00:02.000><c.loud>on</c> the roof

01:00:04.000 --> 01:00:06.000
you &amp; me
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LRC, "[Verse]\nRain on the roof\nand on me\n\n[Chorus]\nSing\n\n[Chorus]\nSing"),
        (SRT, "Rain on the roof\n\nand on me\nstill"),
        (VTT, "Rain on the roof\n\nyou & me"),
        ("[01:02]a\n[01:02.3]b\n[01:02.34]c\n[01:02.345]d\n[1:02:33]e", "a\nb\nc\nd\ne"),
        ("[00:05][00:01.5]twice\n[00:03]once\n[00:09.00] [00:07.00]later", "twice\nonce\ntwice\nlater\nlater"),
        (
            "[ti:x]\n[Verse]\n[00:02]la\n[Chorus]\n[00:04][00:08]li\n[00:06]lo\n(end)",
            "[Verse]\nla\n[Chorus]\nli\nlo\n[Chorus]\nli\n(end)",
        ),
        ("[00:09]not sorted\n[00:01]when each\n[00:05]has one time", "not sorted\nwhen each\nhas one time"),
        ("[00:01.00]word [00:01.50]by [00:02.00]word", "word by word"),
        ("a\n\n\n\n\nb\n", "a\n\nb"),
        ("[by:me]\n[length: 03:20]\n[#: note]\nwords", "words"),
        (SRT.replace("\n", "\r\n"), "Rain on the roof\n\nand on me\nstill"),
        ("1\n00:00:01,000 --> 00:00:02,000\none\n2\n00:00:02,000 --> 00:00:03,000\ntwo", "one\ntwo"),
        ("", ""),
    ],
)
def test_only_the_words_are_left(text: str, words: str):
    assert clean_lyrics(text).text == words


@pytest.mark.parametrize(
    "text", ["[Verse 1: soft]\n99 bottles\n\n[Chorus]\n[Instrumental]", "7\nseconds <3\n[x2] at 5:30", "夜の電車\n走る"]
)
def test_words_and_section_tags_stay_as_they_are(text: str):
    assert clean_lyrics(text).text == text and not clean_lyrics(text).removed and not has_times(text)


@pytest.mark.parametrize("text", [LRC, SRT, VTT, "<00:01.00>la", "WEBVTT\n\nwords"])
def test_times_are_recognised_and_what_was_removed_is_told(text: str):
    assert has_times(text) and clean_lyrics(text).removed
    assert not has_times(clean_lyrics(text).text)


def test_cleaning_twice_is_cleaning_once_whatever_the_text():
    rng = random.Random(0)
    pieces = ["[00:01.20]", "<00:02.00>", "WEBVTT", "\n", "\n\n", "1", "00:01.000 --> 00:02.000", "[ar:x]", "[Verse]",
              " ", "la", "<i>", "</i>", "&lt;", "&gt;", "&amp;", "NOTE", "[", "]", "00:03", "\u2028", "\r"]  # fmt: skip
    for _ in range(3000):
        once = clean_lyrics("".join(rng.choices(pieces, k=rng.randint(1, 14)))).text
        assert clean_lyrics(once).text == once


def test_the_times_of_an_lrc_are_sorted_shifted_and_last_until_the_next_line():
    found = parse_timed(LRC)
    assert [(s.start_s, s.end_s, s.text) for s in found] == [
        (1.0, 1.5, "[Verse]"), (1.5, 3.75, "Rain on the roof"), (3.75, 7.5, "and on me"), (7.5, 15.5, "Sing"),
        (15.5, 15.5, "Sing"),
    ]  # fmt: skip


def test_lines_of_one_time_stay_in_their_order():
    found = parse_timed("[00:00.00]rain\n[00:00.00]all night\n[00:04.00]")
    assert found == [Segment(0.0, 0.0, "rain"), Segment(0.0, 4.0, "all night")]


def test_the_times_of_subtitles():
    assert parse_timed(SRT) == [Segment(1.0, 3.5, "Rain on the roof"), Segment(4.0, 6.0, "and on me\nstill")]
    assert parse_timed(VTT) == [Segment(1.0, 3.5, "Rain on the roof"), Segment(3604.0, 3606.0, "you & me")]
    assert parse_timed("no times here") == [] and parse_timed("") == []


def test_a_preview_shows_what_would_change():
    before = "[00:01]la\n[00:02]li"
    lines = lyrics_diff(before, clean_lyrics(before).text, "song.txt").splitlines()
    assert lines[:2] == ["--- song.txt", "+++ song.txt (cleaned)"] and "-[00:01]la" in lines and "+la" in lines
    assert lyrics_diff("la", "la") == ""
