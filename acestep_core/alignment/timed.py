"""Lines of lyrics with their times, and the files that hold them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from acestep_core.errors import UserError

_PAUSE_S = 3.0  # a pause this long clears the screen: a stamp without words ends the line


@dataclass(frozen=True)
class TimedLine:
    """A line as it is sung; `confidence` 0 to 1, where 0 is no better than chance."""

    start_s: float
    end_s: float
    text: str
    confidence: float


def in_order(lines: Sequence[TimedLine], duration_s: float) -> list[TimedLine]:
    """The same, inside the duration, none before the end of the one above it."""
    found: list[TimedLine] = []
    now = 0.0
    for line in lines:
        start = min(max(line.start_s, now), duration_s)
        now = min(max(line.end_s, start), duration_s)
        found.append(replace(line, start_s=start, end_s=now))
    return found


def merged(lines: Sequence[TimedLine], shortest_s: float) -> list[TimedLine]:
    """Lines shorter than that shown together with the next one, the last with the one before."""
    found: list[TimedLine] = []
    for line in lines:
        short = found and found[-1].end_s - found[-1].start_s < shortest_s
        found[-1:] = [_joined(found[-1], line)] if short else [*found[-1:], line]
    if len(found) > 1 and found[-1].end_s - found[-1].start_s < shortest_s:
        found[-2:] = [_joined(*found[-2:])]
    return found


def lrc(lines: Sequence[TimedLine]) -> str:
    """[mm:ss.xx]words; a stamp without words where a long pause begins, and at the end."""
    told = []
    for line, next_one in pairwise([*lines, None]):
        told.append(f"[{_minutes(line.start_s)}]{' '.join(line.text.split())}")
        if next_one is None or next_one.start_s - line.end_s >= _PAUSE_S:
            told.append(f"[{_minutes(line.end_s)}]")
    return "\n".join(told) + "\n"


def vtt(lines: Sequence[TimedLine]) -> str:
    """WebVTT. A line that lasts no time at all cannot be shown and is not in it."""
    return "WEBVTT\n" + "".join(f"\n{cue}" for cue in _cues(lines))


WRITERS: Mapping[str, Callable[[Sequence[TimedLine]], str]] = {".lrc": lrc, ".vtt": vtt}


def text_of(lines: Sequence[TimedLine], ending: str) -> str:
    """What a file with that ending holds. Raises `UserError` for one that is not known."""
    if ending.lower() not in WRITERS:
        raise UserError(f"'{ending}' is no file of timed lyrics", f"use {' or '.join(WRITERS)}")
    return WRITERS[ending.lower()](lines)


def _cues(lines: Sequence[TimedLine]) -> Iterator[str]:
    for line in lines:
        start, end = round(line.start_s * 1000), int(line.end_s * 1000)
        if end > start:
            words = line.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            yield f"{_hours(start)} --> {_hours(end)}\n{words}\n"


def _joined(first: TimedLine, second: TimedLine) -> TimedLine:
    sure = min(first.confidence, second.confidence)
    return TimedLine(first.start_s, second.end_s, f"{first.text}\n{second.text}", sure)


def _minutes(seconds: float) -> str:
    hundredths = int(seconds * 100 + 1e-6)  # never past the end
    return f"{hundredths // 6000:02}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"


def _hours(thousandths: int) -> str:
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
