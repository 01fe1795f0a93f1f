"""Lyrics out of files with times in them: .lrc, .srt and .vtt, and texts into which their stamps were copied.

Pure functions of text. Section tags such as [Verse] are words to the model and stay.
"""

import difflib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from acestep_core.answers import Segment

TIMED = (".lrc", ".srt", ".vtt")
_STAMP = re.compile(r"\[\s*((?:\d{1,2}:)?\d{1,3}:\d{1,2}(?:[.,:]\d{1,3})?)\s*\]")  # [mm:ss.xx]
_STAMPS = re.compile(rf"(?:\s*{_STAMP.pattern})+")
_WORD = re.compile(r"<\s*(?:\d{1,2}:)?\d{1,3}:\d{1,2}(?:[.,:]\d{1,3})?\s*>")  # <mm:ss.xx> of enhanced LRC and WebVTT
_HEADER = re.compile(
    r"\s*\[(?:ar|ti|al|au|lr|by|re|ve|la|length|offset|tool|id|encoding|#)\s*:[^\]]*\]\s*", re.IGNORECASE
)
_COLON = re.compile(r"^(\d+:\d+):(\d+)$")  # some programs write the hundredths behind a colon
_OFFSET = re.compile(r"^\s*\[offset\s*:\s*([+-]?\d+)\s*\]", re.IGNORECASE | re.MULTILINE)
_CLOCK = r"((?:\d+:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?)"
_ARROW = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?")
_VTT = re.compile(r"\s*WEBVTT(?:[ \t].*)?", re.IGNORECASE)
_VTT_BLOCK = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s.*)?")
_TAG = re.compile(r"</?(?:c|v|b|i|u|s|ruby|rt|lang|font)(?:[.\s][^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)


@dataclass(frozen=True)
class Cleaned:
    """Lyrics without times, and the stamps, headers and tags that were taken out, in order."""

    text: str
    removed: tuple[str, ...] = ()


def has_times(text: str) -> bool:
    """Whether there is a stamp, a cue or a header for `clean_lyrics` to remove."""
    if ":" not in text and "WEBVTT" not in text.upper():
        return False
    return bool(_STAMP.search(text) or _WORD.search(text)) or any(
        _ARROW.fullmatch(line) or _HEADER.fullmatch(line) or _VTT.fullmatch(line) for line in text.splitlines()
    )


def clean_lyrics(text: str) -> Cleaned:
    """The words alone: no times, headers, cue numbers, notes or markup, and no run of blank lines.

    A line with several times stands at each of them. Cleaning what is clean changes nothing.
    """
    removed: list[str] = []
    while (after := _once(text, removed)) != text:  # what an entity such as &lt; hid may be markup itself
        text = after
    return Cleaned(text, tuple(removed))


def lyrics_diff(before: str, after: str, name: str = "lyrics") -> str:
    """A unified diff to show before cleaning; "" where nothing changes."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"{name} (cleaned)", lineterm="", n=1)
    return "\n".join(lines)


def parse_timed(text: str) -> list[Segment]:
    """The lines with their times in the order they are sung; lines without times are left out.

    In .lrc a line lasts until the next stamp; the end of the last one is not known and equals its start.
    """
    lines = text.lstrip("\ufeff").splitlines()
    found = list(_cues(lines)) if any(map(_ARROW.fullmatch, lines)) else _stamped(text, lines)
    return [s for s in sorted(found, key=lambda s: (s.start_s, s.end_s)) if s.text]


def _once(text: str, removed: list[str]) -> str:
    lines = text.lstrip("\ufeff").splitlines()
    subtitles = any(_ARROW.fullmatch(line) or _VTT.fullmatch(line) for line in lines)
    lines = lines if subtitles else _unfolded(lines)
    words = [_words(line, subtitles, removed) for line in _without_cues(lines, removed)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(w for w in words if w is not None)).strip()


def _unfolded(lines: list[str]) -> list[str]:
    """Compressed .lrc written out: a line with several times before it is sung at each, in the order of times.

    Lines without a time, such as a section tag, go with the line below them.
    """
    stamps = [_STAMP.findall(run[0]) if (run := _STAMPS.match(line)) else [] for line in lines]
    if max(map(len, stamps), default=0) < 2:
        return lines
    sung: list[tuple[float, list[str]]] = []
    above: list[str] = []
    for line, times in zip(lines, stamps, strict=True):
        words = line[_STAMPS.match(line).end() :] if times else line
        sung += [(_seconds(_COLON.sub(r"\1.\2", t)), [*above, f"[{t}]{words}"]) for t in times]
        above = [] if times else [*above, line]
    return [line for _, group in sorted(sung, key=lambda each: each[0]) for line in group] + above


def _without_cues(lines: list[str], removed: list[str]) -> Iterator[str]:
    """The lines that are no cue times, cue names, WebVTT header or WebVTT notes."""
    vtt = any(map(_VTT.fullmatch, lines[:1]))
    passing = vtt  # the header, and later a note, lasts until a blank line
    for i, line in enumerate(lines):
        starts = i == 0 or not lines[i - 1].strip()
        passing = bool(line.strip()) and (passing or (vtt and starts and bool(_VTT_BLOCK.fullmatch(line))))
        passing = passing and not _ARROW.fullmatch(line)
        if passing or _ARROW.fullmatch(line) or _names_a_cue(lines, i, starts and vtt):
            removed.append(line)
        else:
            yield line


def _names_a_cue(lines: list[str], i: int, any_name: bool) -> bool:
    """Above the times stands a number in .srt, and anything at all in .vtt."""
    followed = i + 1 < len(lines) and _ARROW.fullmatch(lines[i + 1]) is not None
    return followed and (lines[i].strip().isdigit() or (any_name and bool(lines[i].strip())))


def _words(line: str, subtitles: bool, removed: list[str]) -> str | None:
    """The line without stamps and markup; None for a header, which leaves no blank line behind."""
    if _HEADER.fullmatch(line):
        removed.append(line)
        return None
    patterns = (_STAMP, _WORD, _TAG) if subtitles else (_STAMP, _WORD)
    taken = [found[0] for pattern in patterns for found in pattern.finditer(line)]
    for pattern in patterns:
        line = pattern.sub("", line)
    removed += taken
    plain = html.unescape(line) if subtitles else line
    return re.sub(r"[ \t\xa0]{2,}", " ", plain).strip() if taken else plain.strip()


def _stamped(text: str, lines: list[str]) -> list[Segment]:
    shift = _OFFSET.search(text)
    offset_s = int(shift[1]) / 1000 if shift else 0.0  # positive: shown sooner
    stamped = (
        (max(0.0, _seconds(_COLON.sub(r"\1.\2", stamp)) - offset_s), _words(line, False, []) or "")
        for line in lines
        for stamp in _STAMP.findall(line)
    )
    starts = sorted(stamped, key=lambda each: each[0])  # lines of one time stay as they are written
    spans = pairwise([*starts, (starts[-1][0], "")] if starts else [])
    return [Segment(start, end, words) for (start, words), (end, _) in spans]


def _cues(lines: list[str]) -> Iterator[Segment]:
    for i, line in enumerate(lines):
        times = _ARROW.fullmatch(line)
        if times is None:
            continue
        body: list[str] = []
        for at in range(i + 1, len(lines)):
            if not lines[at].strip() or _ARROW.fullmatch(lines[at]) or _names_a_cue(lines, at, False):
                break
            body.append(_words(lines[at], True, []) or "")
        yield Segment(_seconds(times[1]), max(_seconds(times[1]), _seconds(times[2])), "\n".join(body).strip())


def _seconds(clock: str) -> float:
    """Seconds of mm:ss, mm:ss.xx or hh:mm:ss.xx."""
    total = 0.0
    for part in clock.replace(",", ".").split(":"):
        total = 60 * total + float(part)
    return total
