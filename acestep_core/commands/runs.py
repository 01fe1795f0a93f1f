"""acestep-core runs list | show | compare"""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from acestep_core.comparison import T_BINS, RunFacts, differences, find_runs, read_run, remarks
from acestep_core.console import print_json, table
from acestep_core.errors import UserError
from acestep_core.registry import registry
from acestep_core.report.diagnosis import Finding, diagnose
from acestep_core.report.facts import read_facts

_WIDEST = 40  # characters of a setting in the table


@click.group("runs")
def command() -> None:
    """List trainings, show what is wrong with one, and compare them."""


@command.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("."))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_command(folder: Path, as_json: bool) -> None:
    """Every run in and below FOLDER, by default the present one. Exit code 1 if one is damaged."""
    rows, problems = [], []
    for path in find_runs(folder):
        try:
            rows.append(_listed(read_run(path)))
        except UserError as e:
            problems.append(e)
    if as_json:
        print_json({"runs": rows, "problems": [str(p) for p in problems]})
    elif rows:
        shown = [[_number(v) if isinstance(v, float) else v for v in (r | _words(r)).values()] for r in rows]
        table(("run", "step", "steps", "adapter", "sampler", "last loss", "validation", "finished"), shown,
              right=("step", "steps", "last loss", "validation"))  # fmt: skip
    for problem in problems:
        click.echo(f"Problem: {problem}", err=True)
    sys.exit(1 if problems else 0)


@command.command("show")
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show_command(folder: Path, as_json: bool) -> None:
    """What came of a run in numbers, and what is wrong with it. `report` makes a page of it."""
    facts = read_facts(folder, registry())
    found = diagnose(facts)
    ratio = facts.deltas.ratio if facts.deltas else None
    apart = {s.number: s.difference_db for s in facts.last_samples}
    if as_json:
        print_json({**_as_json(facts.run), "change": ratio, "samples_db": apart,
                    "findings": [asdict(f) for f in found]})  # fmt: skip
        return
    rows = [[what, _number(value)] for what, value in _rows([facts.run]) if value is not None]
    rows += [["change of the weights", f"{ratio:.2%}"]] if ratio is not None else []
    rows += [[f"sample {n} against the model alone", f"{db:.1f} dB"] for n, db in apart.items() if db is not None]
    table(("", facts.run.name), rows, right=(facts.run.name,))
    click.echo()
    show(found)


def show(findings: Iterable[Finding]) -> None:
    for finding in findings:
        click.echo(f"{'Warning' if finding.serious else 'note'}: {finding.text}\n  {finding.hint}")


@command.command("compare")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN RUN...")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Draw the losses into this file, such as a.png.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def compare(folders: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Put runs side by side: losses, time, and the settings in which they differ.

    The loss depends on t above all: compare runs with different samplers by the loss at each t, or by the loss on
    fixed noise and timesteps, which is taken before the first step and after the last.
    """
    if len(folders) < 2:
        raise click.UsageError("Give two runs or more to compare.")
    runs = [read_run(f, n) for f, n in zip(folders, _names(folders), strict=True)]
    if out is not None:
        _draw(runs, out)
    if as_json:
        print_json({"runs": [_as_json(r) for r in runs], "differences": differences(runs), "notes": remarks(runs)})
        return
    _show(runs)
    if out is not None:
        click.echo(f"drawn: {out}")


def _names(folders: Sequence[Path]) -> list[str]:
    """Folder names, or whole paths where several runs have one name."""
    names = [f.resolve().name for f in folders]
    taken = Counter(names)
    return [n if taken[n] == 1 else str(f) for n, f in zip(names, folders, strict=True)]


def _draw(runs: Sequence[RunFacts], out: Path) -> None:
    from acestep_core.plots import check_picture, draw_runs

    check_picture(out)
    draw_runs(runs, out)


def _show(runs: Sequence[RunFacts]) -> None:
    names = [r.name for r in runs]
    rows = [[what, *(_number(v) for v in values)] for what, *values in _rows(runs)]
    table(("", *names), rows, right=names)
    click.echo()
    differing = differences(runs)
    if differing:
        table(("setting", *names), [[k, *map(_short, values)] for k, values in differing.items()])
    else:
        click.echo("All settings are the same.")
    for line in remarks(runs):
        click.echo(f"note: {line}")


def _rows(runs: Sequence[RunFacts]) -> list[list[Any]]:
    rows = [
        ["steps done", *(r.step for r in runs)],
        ["steps planned", *(r.steps for r in runs)],
        ["seconds per step", *(r.step_s for r in runs)],
        ["peak memory forecast, GB", *(_gigabytes(r.memory.forecast) for r in runs)],
        ["peak memory taken, GB", *(_gigabytes(r.memory.measured) for r in runs)],
        ["loss, last tenth", *(r.last_tenth for r in runs)],
        ["fixed-noise loss before", *(r.grid_before for r in runs)],
        ["fixed-noise loss after", *(r.grid_after for r in runs)],
        ["validation loss, base", *(r.base for r in runs)],
        ["validation loss, best", *(r.best and r.best[1] for r in runs)],
        ["validation loss, last", *(r.validation_last for r in runs)],
    ]
    bins = [f"loss at t {i / T_BINS:.1f} to {(i + 1) / T_BINS:.1f}" for i in range(T_BINS)]
    return rows + [[name, *(r.by_t[i] for r in runs)] for i, name in enumerate(bins)]


def _as_json(run: RunFacts) -> dict[str, Any]:
    return {"name": run.name, "folder": run.folder, "step": run.step, "steps": run.steps, "finished": run.finished,
            "step_seconds": run.step_s, "memory": asdict(run.memory),
            "loss_last_tenth": run.last_tenth, "grid_loss_before": run.grid_before,
            "grid_loss_after": run.grid_after, "loss_by_t": run.by_t, "validation_base": run.base,
            "validation": run.validated, "best_step": run.best and run.best[0]}  # fmt: skip


def _gigabytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1e9:.2f}"


def _listed(run: RunFacts) -> dict[str, Any]:
    return {"run": run.folder, "step": run.step, "steps": run.steps, "adapter": run.adapter, "sampler": run.sampler,
            "last_loss": run.losses[-1][1] if run.losses else None, "validation": run.validation_last,
            "finished": run.finished}  # fmt: skip


def _words(row: dict[str, Any]) -> dict[str, Any]:
    """The values that are shown in another way than they are printed as JSON."""
    bare = {key: row[key].removesuffix("@acestep-core") for key in ("adapter", "sampler")}
    return bare | {"finished": "yes" if row["finished"] else "no", "validation": _number(row["validation"])}


def _number(value: Any) -> Any:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else value


def _short(value: Any) -> str:
    if isinstance(value, list) and len(", ".join(map(str, value))) > _WIDEST:
        return f"{len(value)} of them"
    text = "-" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
