"""Files of timed lyrics, read back by the reader of such files."""

import pytest

from acestep_core import UserError
from acestep_core.alignment.timed import TimedLine, in_order, lrc, merged, text_of, vtt
from acestep_core.answers import Segment
from acestep_core.lyrics import parse_timed

LINES = [
    TimedLine(0.5, 1.25, "la <la>", 0.9),
    TimedLine(1.25, 4.0, "rain & sun", 0.9),
    TimedLine(62.005, 65.0, "the end", 0.1),
]


def test_lrc():
    assert lrc(LINES).splitlines() == [
        "[00:00.50]la <la>",
        "[00:01.25]rain & sun",
        "[00:04.00]",
        "[01:02.00]the end",
        "[01:05.00]",
    ]
    assert [s.text for s in parse_timed(lrc(LINES))] == [line.text for line in LINES]


def test_vtt_is_read_back():
    told = vtt(LINES)
    assert told.startswith("WEBVTT\n\n00:00:00.500 --> 00:00:01.250\n")
    assert parse_timed(told) == [Segment(x.start_s, x.end_s, x.text) for x in LINES]
    assert parse_timed(vtt([TimedLine(3, 3, "gone", 0)])) == []


def test_short_lines_are_shown_together():
    assert [(m.start_s, m.end_s, m.text, m.confidence) for m in merged(LINES, 2)] == [
        (0.5, 4.0, "la <la>\nrain & sun", 0.9),
        (62.005, 65.0, "the end", 0.1),
    ]
    last = [TimedLine(0, 3, "a", 1.0), TimedLine(3, 4, "b", 1.0)]
    assert [m.text for m in merged(last, 2)] == ["a\nb"] and merged(LINES, 0) == LINES


def test_times_stay_in_order_and_inside():
    mixed = [TimedLine(5, 6, "a", 1), TimedLine(2, 7, "b", 1), TimedLine(8, 20, "c", 1)]
    assert [(t.start_s, t.end_s) for t in in_order(mixed, 10)] == [(5, 6), (6, 7), (8, 10)]


def test_other_files_are_refused():
    with pytest.raises(UserError, match="'.txt' is no file of timed lyrics"):
        text_of(LINES, ".txt")
