"""What a trainer prints, taken apart: its bar of steps becomes numbers, everything else stays lines."""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_STEPS = re.compile(r"steps:\s+\d+%\|[^|]*\|\s*(\d+)/(\d+)\s*\[[^\]]*\]")
_LOSS = re.compile(r"(?:avr_loss|loss)=([\d.eE+-]+|nan|inf)")
_BAR = re.compile(r"\d+%\|[^|]*\|\s*(\d+)/(\d+)\s*\[")


@dataclass(frozen=True)
class Steps:
    """Where the training is; `loss` is the trainer's running mean, None before it has one."""

    done: int
    total: int
    loss: float | None = None


def heard(chunks: Iterable[bytes]) -> Iterator[Steps | str]:
    """The output in pieces of any size -> `Steps`, or a line. Of other bars, only the last state of each is a line."""
    last: Steps | None = None
    for line, stays in _lines(chunks):
        steps = _steps(line)
        if steps:
            if repr(steps) != repr(last):  # a loss that is no number is not equal to itself
                yield steps
            last = steps
        elif line.strip() and (stays or _is_full(line)):
            yield line.rstrip()


def _steps(line: str) -> Steps | None:
    found, loss = _STEPS.search(line), _LOSS.search(line)
    return Steps(int(found[1]), int(found[2]), float(loss[1]) if loss else None) if found else None


def _is_full(line: str) -> bool:
    bar = _BAR.search(line)
    return bar is None or bar[1] == bar[2]


def _lines(chunks: Iterable[bytes]) -> Iterator[tuple[str, bool]]:
    """(line, whether a line feed ended it); a carriage return ends one that will be written over."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for chunk in chunks:
        *whole, rest = re.split(r"(\r\n|\r|\n)", rest + decoder.decode(chunk))
        if whole and whole[-1] == "\r" and not rest:  # its line feed may be in the next piece
            rest = whole[-2] + whole.pop()
            whole.pop()
        yield from ((text, end != "\r") for text, end in zip(whole[::2], whole[1::2], strict=True))
        if _STEPS.search(rest):
            yield rest, False  # what ends a bar comes with the next one, a step later
    yield from ((part, True) for part in re.split(r"\r|\n", rest) if part)
