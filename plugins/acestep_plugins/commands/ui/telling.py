"""Facts as tables for the page. All texts are escaped here."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from acestep_plugins.commands.ui.words import Words


def facts_table(rows: Iterable[tuple[str, Any]]) -> str:
    """Two columns: what, and how it is."""
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(_text(value))}</td></tr>" for name, value in rows)
    return f'<div class="facts"><table>{cells}</table></div>' if cells else ""


def grid(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a head."""
    head = "".join(f"<th>{escape(h)}</th>" for h in headers)
    body = "".join(f"<tr>{''.join(f'<td>{escape(_text(v))}</td>' for v in row)}</tr>" for row in rows)
    return f'<div class="grid"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def listed(head: str, lines: Iterable[str]) -> str:
    """A sentence, and lines below it."""
    return grid([head], [[line] for line in lines])


def problem_line(problem: Mapping[str, Any], words: Words) -> str:
    """A problem of a song or a dataset, and what mends it."""
    return words.said(f"{problem['text']}; {problem['remedy']}")


def told_lines(found: Mapping[str, Any], words: Words, *also: str) -> list[str]:
    """A line for each problem of each song that a result tells, and for what it says `also`, such as notes."""
    lines = [f"{name}: {words.said(p)}" for name, each in found["problems"].items() for p in each]
    return lines + [words.said(line) for name in also for line in found[name]]


def flat(facts: Mapping[str, Any], words: Words) -> list[tuple[str, Any]]:
    """Facts of any depth as rows, the names of inner ones after those of what they are in; what is not known is not."""
    rows: list[tuple[str, Any]] = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            rows += [(f"{words.label(name)} · {inner}", v) for inner, v in flat(value, words)]
        elif value not in (None, "", [], {}):
            rows.append((words.label(name), value))
    return rows


def gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
