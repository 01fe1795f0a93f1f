"""Curves of a training, from what it has told so far."""

from collections.abc import Mapping, Sequence
from typing import Any

from acestep_core.report.svg import Line, line_chart
from acestep_plugins.commands.ui.words import Words

_SMOOTH = 0.9
Points = Sequence[Sequence[float]]


def losses_of(events: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """(step, loss) out of the events of a job; a step that was done again counts as it was the last time."""
    told = {e["done"]: e["values"]["loss"] for e in events if e.get("type") == "progress" and e.get("values")}
    return sorted((float(step), float(loss)) for step, loss in told.items() if loss is not None)


def loss_curve(losses: Points, validations: Points, words: Words) -> str:
    """The loss of each step, its running mean, and that of the songs held out."""
    lines = [Line([(s, v) for s, v in losses], "thin", words("loss")),
             Line(_smoothed(losses), "main", words("loss_mean"))]  # fmt: skip
    lines += [Line([(s, v) for s, v in validations], "second", words("loss_validation"))] if validations else []
    return f'<div class="curve">{line_chart(lines, words("step"), words("loss"), words("loss_title"))}</div>'


def _smoothed(points: Points) -> list[tuple[float, float]]:
    """A mean in which older steps count less and less, and the first not more than they should."""
    mean, weight, found = 0.0, 0.0, []
    for step, value in points:
        mean, weight = _SMOOTH * mean + (1 - _SMOOTH) * value, _SMOOTH * weight + 1 - _SMOOTH
        found.append((step, mean / weight))
    return found
