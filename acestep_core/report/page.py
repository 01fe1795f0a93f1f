"""The report as one HTML file: style, script, charts and sounds inside, nothing asked of any network.

Whatever comes from songs, prompts or plugins is escaped, and the page's own rule lets no other script run.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import acestep_core
from acestep_core.comparison import T_BINS, smoothed
from acestep_core.config import dump_toml
from acestep_core.deltas import Deltas
from acestep_core.files import write_text
from acestep_core.report.diagnosis import Finding, diagnose
from acestep_core.report.facts import Facts, Setting
from acestep_core.report.listening import EMBED_MB, Sounds, listening
from acestep_core.report.svg import Line, bar_chart, heat_map, line_chart

FILE = "report.html"
_SMOOTHED = 20  # the share of the steps that a point of the smooth curve is the mean of
_SHOWN_LAYERS = 12
_GIGA, _COUNTED_FROM = 1e9, 1e6


def write_report(facts: Facts, path: Path, embed_mb: float = EMBED_MB) -> Sounds:
    """Write the page whole; gives which sounds are in it."""
    sounds = Sounds(path, embed_mb * 1e6)
    write_text(path, page(facts, diagnose(facts), sounds))
    return sounds


def page(facts: Facts, findings: Sequence[Finding], sounds: Sounds) -> str:
    style, script = (_part(name) for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rule = (f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data: file: 'self'; "
            "media-src data: file: 'self'")  # fmt: skip
    name = escape(facts.run.name)
    parts = (
        ("What to know", "".join(map(_finding, findings)) or "<p>Nothing stands out.</p>"),
        ("Listen", listening(facts, sounds)),
        ("Settings", _settings(facts.settings)),
        ("Loss", _loss(facts)),
        ("Loss by timestep", _by_t(facts)),
        ("Songs held out", _validation(facts)),
        ("Learning rate and gradients", _rates(facts)),
        ("Memory", _memory(facts.memory)),
        ("How much each layer changes", _deltas(facts.deltas)),
        ("run.toml", f"<details><summary>all of it</summary><pre>{escape(_toml(facts))}</pre></details>"),
    )
    body = "".join(f"<section><h2>{escape(title)}</h2>{inside}</section>" for title, inside in parts if inside)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(rule)}">'
        f"<title>{name}: training report</title><style>{style}</style></head><body>"
        f"<header><h1>{name}</h1><p>{escape(_summary(facts))}</p></header><main>{body}</main>"
        f"<footer>acestep-core {escape(acestep_core.__version__)}</footer><script>{script}</script></body></html>\n"
    )


def _part(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _summary(facts: Facts) -> str:
    run = facts.run
    said = [run.adapter.removesuffix("@acestep-core"), f"{run.step} of {run.steps} steps"]
    said += [f"{facts.songs} songs"] if facts.songs is not None else []
    said += [f"{facts.trainable:,} parameters"] if facts.trainable is not None else []
    said += [f"{run.step_s:.2f} s a step"] if run.step_s is not None else []
    return ", ".join([*said, "finished" if run.finished else "unfinished"])


def _finding(finding: Finding) -> str:
    look = "finding serious" if finding.serious else "finding"
    return f'<div class="{look}">{escape(finding.text)}<small>{escape(finding.hint)}</small></div>'


def _settings(settings: Sequence[Setting]) -> str:
    """Those that are not what they are unless said first, the others folded."""
    changed = [(s.name, _said(s.value), _said(s.default)) for s in settings if s.changed]
    same = [(s.name, _said(s.value)) for s in settings if not s.changed and s.value is not None]
    first = _table(("setting", "here", "unless said"), changed) if changed else "<p>All as they are unless said.</p>"
    rest = _table(("setting", "value"), same)
    return f"{first}<details><summary>the other {len(same)} settings</summary>{rest}</details>"


def _loss(facts: Facts) -> str:
    losses = list(facts.run.losses)
    smooth = smoothed([loss for _, loss in losses], len(losses) // _SMOOTHED)
    lines = [Line(losses, "thin", "every step"),
             Line([(s, v) for (s, _), v in zip(losses, smooth, strict=True)], "main", "smoothed")]  # fmt: skip
    grid = [(step, loss) for step, loss in ((0, facts.run.grid_before), (facts.run.step, facts.run.grid_after))
            if loss is not None]  # fmt: skip
    told = f"<p>On fixed noise and timesteps: {', then '.join(f'{v:.4f}' for _, v in grid)}.</p>" if grid else ""
    return line_chart(lines, "step", "loss", "Training loss by step") + told if losses else ""


def _by_t(facts: Facts) -> str:
    labels = [f"{i / T_BINS:.1f}" for i in range(T_BINS)]
    then = facts.by_t_then
    groups = {"all steps": facts.run.by_t} if then is None else {"first quarter": then[0], "last quarter": then[1]}
    return bar_chart(groups, labels, "t from (0 = data, 1 = noise)", "mean loss", "Mean loss by timestep")


def _validation(facts: Facts) -> str:
    run, found = facts.run, [(s, v) for s, v in facts.run.validated if s]
    if not found:
        return ""
    lines = [Line(found, "main", "with the adapter")]
    if run.base is not None:
        lines.append(Line([(0, run.base), (found[-1][0], run.base)], "dashed", "the model alone"))
    if run.best is not None:
        lines.append(Line([run.best], "dots", f"best: {run.best[1]:.4f} at step {run.best[0]}"))
    return line_chart(lines, "step", "loss", "Loss of songs held out")


def _rates(facts: Facts) -> str:
    name = "d times rate" if facts.found_rates else "rate"
    limit, norms = facts.train.get("clip_norm"), facts.norms
    cut = [Line([(norms[0][0], limit), (norms[-1][0], limit)], "dashed", "cut above")] if norms and limit else []
    rates = line_chart([Line(facts.rates, "main")], "step", name, "Learning rate by step")
    return rates + line_chart([Line(norms, "thin", "norm"), *cut], "step", "gradient norm", "Gradient norm by step")


def _memory(told: Mapping[str, Any]) -> str:
    return _table(("what", "value"), [(k.replace("_", " "), _bytes(v)) for k, v in told.items()]) if told else ""


def _bytes(value: Any) -> str:
    counted = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _COUNTED_FROM
    return f"{value / _GIGA:.2f} GB" if counted else _said(value)


def _deltas(deltas: Deltas | None) -> str:
    if deltas is None or deltas.ratio is None:
        return f"<p>{escape(deltas.problem)}</p>" if deltas else ""
    ordered = sorted(deltas.layers.items(), key=lambda item: -item[1].ratio)
    most = ordered[0][1].ratio or 1.0
    rows = [
        f'<tr><td>{escape(name)}</td><td class="number">{d.change:.4g}</td><td class="number">{d.weight:.4g}</td>'
        f'<td class="number">{d.ratio:.3%}</td><td class="bar"><meter value="{d.ratio / most:.4f}"></meter></td></tr>'
        for name, d in ordered
    ]
    head = ('<thead><tr><th>layer</th><th class="number">change</th><th class="number">weight</th>'
            '<th class="number">share</th><th></th></tr></thead>')  # fmt: skip
    tables = [f'<div class="wide"><table>{head}<tbody>{"".join(part)}</tbody></table></div>'
              for part in (rows[:_SHOWN_LAYERS], rows[_SHOWN_LAYERS:]) if part]  # fmt: skip
    rest = (
        f"<details><summary>the other {len(rows) - _SHOWN_LAYERS}</summary>{tables[1]}</details>" if tables[1:] else ""
    )
    told = f"All together {deltas.ratio:.2%} of the weights of {len(rows)} layers, in Frobenius norms at strength 1."
    return f"<p>{told}</p>{_map(deltas)}{tables[0]}{rest}"


def _map(deltas: Deltas) -> str:
    """Blocks by projections, where the layers are named so."""
    places = {name: name.split(".", 2) for name in deltas.layers}
    cells = {(p[1], p[2].removesuffix("_proj")): deltas.layers[n].ratio for n, p in places.items()
             if len(p) == 3 and p[1].isdecimal()}  # fmt: skip
    rows, columns = sorted({r for r, _ in cells}, key=int), sorted({c for _, c in cells})
    short = {c: c.replace("self_attn.", "self ").replace("cross_attn.", "cross ") for c in columns}
    named = {(r, short[c]): v for (r, c), v in cells.items()}
    return heat_map(named, rows, [short[c] for c in columns], "Change of each layer") if len(cells) > 1 else ""


def _toml(facts: Facts) -> str:
    return dump_toml(facts.run.settings)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _said(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
