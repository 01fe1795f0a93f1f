"""What people see: tables, progress with time left, small curves, errors. Machines get --json instead."""

import json
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

STOPPED = 130  # as a shell reports a program ended by Ctrl-C
_QUIET_S = 5.0  # without a terminal, a line at most this often
_BARS = "▁▂▃▄▅▆▇█"


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> None:
    """Print aligned columns. Plain text on purpose: a table library would double the start-up time."""
    cells = [["" if cell is None else _plain(printable(str(cell))) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(columns, *cells, strict=True)]
    for row in (list(columns), ["-" * w for w in widths], *cells):
        padded = zip(columns, row, widths, strict=True)
        click.echo("  ".join(_padded(cell, width, name in right) for name, cell, width in padded).rstrip())


def _padded(text: str, width: int, to_the_right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if to_the_right else text + space


def _width(text: str) -> int:
    """Terminal columns: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def printable(text: str) -> str:
    """With control characters spelled out: what a plugin or a file says must not steer the terminal."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) != "Cc" else f"\\x{ord(c):02x}" for c in text)


def print_json(content: Any) -> None:
    click.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """A curve of at most `width` characters; each is the mean of its share of the values."""
    if not values:
        return ""
    width = min(width, len(values))
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in zip(edges, edges[1:], strict=False)]
    low, span = min(means), (max(means) - min(means)) or 1.0
    return "".join(_BARS[int((m - low) / span * (len(_BARS) - 1) + 0.5)] for m in means)


class Ticker:
    """Progress of one long job: a live line with time left on a terminal, now and then a plain line elsewhere."""

    def __init__(self, label: str, total: int | None, done: int = 0):
        """Without a `total` nobody knows how much there is."""
        self._label, self._total, self._first = label, total, done
        self._start = self._shown = time.monotonic()
        self._live = sys.stderr.isatty()

    def update(self, done: int, text: str = "", total: int | None = None) -> None:
        """`total`, where it turns out to be another than was thought."""
        self._total = self._total if total is None else total
        now = time.monotonic()
        last = done == self._total
        if not self._live and not last and done != self._first + 1 and now - self._shown < _QUIET_S:
            return
        self._shown = now
        spent = now - self._start
        if self._total is None:
            line = f"{self._label} {done}  {text}  {clock(spent)} spent"
        else:
            left = spent / max(1, done - self._first) * (self._total - done)
            line = f"{self._label} {done}/{self._total}  {text}  {clock(spent)} spent, {clock(left)} left"
        click.echo(f"\r\033[K{line}" if self._live else line, err=True, nl=last or not self._live)


@contextmanager
def errors_shown() -> Iterator[None]:
    """A `UserError` becomes its sentence on stderr and exit code 1; anything else is a bug and keeps its traceback."""
    from acestep_core.errors import UserError

    try:
        yield
    except UserError as e:
        click.echo(f"Error: {_plain(str(e))}", err=True)
        sys.exit(1)


def _plain(text: str) -> str:
    """Names that are no valid Unicode can still be shown."""
    return text.encode("utf-8", "backslashreplace").decode()
