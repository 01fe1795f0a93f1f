"""Charts as inline SVG, coloured by the page's style sheet. All texts are escaped here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 600, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 68, 12, 12, 44
_MOST_POINTS = 600  # of a line: more cannot be seen
_TICKS = 5
_LOG_FROM = 30.0  # values that span more are shown on a logarithmic scale

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """Points from left to right; `look` is a class of the style sheet: thin, main, second, dashed or dots."""

    points: Sequence[Point]
    look: str
    name: str = ""


@dataclass(frozen=True)
class _Axis:
    """A range of values on a range of pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high, value = (math.log10(v) for v in (self.low, self.high, value)) if self.log else (
            self.low, self.high, value)  # fmt: skip
        return self.start + (value - low) / ((high - low) or 1.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            return [10.0**e for e in range(first, last + 1) if self.low <= 10.0**e <= self.high]
        step = _round_step((self.high - self.low) / _TICKS)
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def line_chart(lines: Sequence[Line], x: str, y: str, title: str) -> str:
    """One chart; lines with a name are in the legend. Values that are no numbers are left out."""
    lines = [Line([p for p in line.points if all(map(math.isfinite, p))], line.look, line.name) for line in lines]
    points = [p for line in lines for p in line.points]
    if not points:
        return ""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    log = min(ys) > 0 and max(ys) / min(ys) > _LOG_FROM
    across = _Axis(min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1, _LEFT, _WIDTH - _RIGHT)
    up = _Axis(*_padded(min(ys), max(ys), log), _HEIGHT - _BOTTOM, _TOP, log)
    drawn = [_grid(across, up, x, y + (", logarithmic" if log else ""))]
    for line in lines:
        drawn += _drawn(line, across, up)
    return _figure("".join(drawn), _legend([(li.look, li.name) for li in lines if li.name]), title)


def bar_chart(groups: Mapping[str, Sequence[float | None]], labels: Sequence[str], x: str, y: str, title: str) -> str:
    """Bars side by side, by the name of their group; None is no bar."""
    known = [v for values in groups.values() for v in values if v is not None and math.isfinite(v)]
    if not known:
        return ""
    looks = dict(zip(groups, ("main", "second"), strict=False))
    across = _Axis(0, len(labels), _LEFT, _WIDTH - _RIGHT)
    up = _Axis(0, max(known) * 1.05 or 1.0, _HEIGHT - _BOTTOM, _TOP)
    width = 0.8 / len(groups)
    drawn = [_grid(across, up, x, y, labels)]
    for place, (name, values) in enumerate(groups.items()):
        for i, value in enumerate(values):
            if value is not None and math.isfinite(value):
                left, top = across.at(i + 0.1 + place * width), up.at(value)
                drawn.append(f'<rect class="{looks[name]}" x="{left:.1f}" y="{top:.1f}" '
                             f'width="{across.at(width) - _LEFT:.1f}" height="{up.start - top:.1f}">'
                             f"<title>{escape(f'{name}, {labels[i]}: {value:.4g}')}</title></rect>")  # fmt: skip
    return _figure("".join(drawn), _legend([(looks[n], n) for n in groups] if len(groups) > 1 else []), title)


def heat_map(cells: Mapping[tuple[str, str], float], rows: Sequence[str], columns: Sequence[str], title: str) -> str:
    """Squares by (row, column), the darker the larger; a square without a value is not there."""
    most = max(cells.values(), default=0.0) or 1.0
    step, left, top = 18, 44, 8
    wide, below = 64, top + step * len(rows)
    drawn = []
    for (row, column), value in cells.items():
        x, y = left + wide * columns.index(column), top + step * rows.index(row)
        share = math.sqrt(max(0.0, value) / most)
        text = escape(f"{row} {column}: {value:.3%}")
        drawn.append(f'<rect class="heat" x="{x}" y="{y}" width="{wide - 2}" height="{step - 2}" '
                     f'fill-opacity="{0.06 + 0.94 * share:.3f}"><title>{text}</title></rect>')  # fmt: skip
    drawn += [f'<text x="{left - 6}" y="{top + step * i + 12}" text-anchor="end">{escape(row)}</text>'
              for i, row in enumerate(rows)]  # fmt: skip
    drawn += [f'<text x="{left + wide * i + wide // 2 - 1}" y="{below + 14}" text-anchor="middle">{escape(c)}</text>'
              for i, c in enumerate(columns)]  # fmt: skip
    width, height = left + wide * len(columns) + 4, below + 22
    return (f'<figure class="chart map" role="img" aria-label="{escape(title)}"><svg viewBox="0 0 {width} {height}" '
            f'width="{width}">{"".join(drawn)}</svg></figure>')  # fmt: skip


def _grid(across: _Axis, up: _Axis, x: str, y: str, labels: Sequence[str] | None = None) -> str:
    drawn = []
    for value in up.ticks():
        at = up.at(value)
        drawn.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
                     f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:.3g}</text>')  # fmt: skip
    marks = [(v, f"{v:.6g}") for v in across.ticks() if v == int(v)] if labels is None else [
        (i + 0.5, text) for i, text in enumerate(labels)]  # fmt: skip
    drawn += [f'<text x="{across.at(v):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>'
              for v, text in marks]  # fmt: skip
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    drawn.append(f'<text x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x)}</text>')
    drawn.append(f'<text transform="translate(12 {(_HEIGHT - _BOTTOM) / 2 + _TOP}) rotate(-90)" '
                 f'text-anchor="middle">{escape(y)}</text>')  # fmt: skip
    return "".join(drawn)


def _drawn(line: Line, across: _Axis, up: _Axis) -> list[str]:
    points = [(across.at(x), up.at(y)) for x, y in _thinned(line.points)]
    if line.look == "dots" or len(points) == 1:
        return [f'<circle class="{line.look}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in points]
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return [f'<polyline class="{line.look}" points="{way}"/>'] if points else []


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """No more than can be seen, the lowest and the highest of each stretch kept."""
    if len(points) <= _MOST_POINTS:
        return points
    kept, stretch = [], len(points) / (_MOST_POINTS // 2)
    for i in range(_MOST_POINTS // 2):
        part = points[int(i * stretch) : int((i + 1) * stretch)]
        low, high = min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])
        kept += sorted({low, high})
    return kept


def _padded(low: float, high: float, log: bool) -> tuple[float, float]:
    if log:
        return low / 1.3, high * 1.3
    space = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return (max(0.0, low - space) if low >= 0 else low - space), high + space


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, at least as large."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((n * power for n in (1, 2, 5) if n * power >= rough * (1 - 1e-9)), 10 * power)


def _legend(names: Sequence[tuple[str, str]]) -> str:
    keys = "".join(f'<span class="key {look}">{escape(name)}</span>' for look, name in names)
    return f"<figcaption>{keys}</figcaption>" if keys else ""


def _figure(inside: str, legend: str, title: str) -> str:
    return (f'<figure class="chart" role="img" aria-label="{escape(title)}">'
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}">{inside}</svg>{legend}</figure>')  # fmt: skip
