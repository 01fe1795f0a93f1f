"""The log of a training as a table for people: what it was made with, how long it took, how the losses fell."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acestep_core.console import clock
from acestep_core.run import Run
from acestep_nano.learning.recipe import Recipe

_ROWS = 16


def log_text(out: Path, recipe: Recipe) -> str:
    """Markdown, of a finished training in the folder `out`."""
    times, codes = (json.loads((out / name).read_text(encoding="utf-8")) for name in ("times.json", "codes.json"))
    base, turbo = Run(out / "base"), Run(out / "turbo")
    lines = ["| recipe | |", "|---|---|", *(f"| {k} | {v} |" for k, v in recipe.described().items())]
    lines += ["", "| package | version |", "|---|---|"]
    lines += [f"| {k} | {v} |" for k, v in base.settings()["versions"].items()]
    lines += ["", "| stage | time |", "|---|---|", *(f"| {k} | {clock(v)} |" for k, v in times.items())]
    lines += ["", f"Audio codes: the mean square error of latents fell from {codes['first']:.3f} to {codes['loss']:.3f}"
              f" in {codes['steps']} steps."]  # fmt: skip
    for name, run in (("base", base), ("turbo", turbo)):
        lines += ["", f"| {name}: step | loss | validation |", "|---|---|---|", *_rows(run)]
    return "\n".join(lines) + "\n"


def _rows(run: Run) -> Iterator[str]:
    """The mean loss of stretches of the run, and the last validation within each."""
    records = list(run.metrics())
    steps = [r for r in records if r["event"] == "step"]
    size = -(-len(steps) // _ROWS)
    for start in range(0, len(steps), size):
        part = steps[start : start + size]
        first, last = part[0]["step"], part[-1]["step"]
        mean = sum(r["loss"] for r in part) / len(part)
        yield f"| {first} to {last} | {mean:.4f} | {_validated(records, first, last)} |"


def _validated(records: list[dict[str, Any]], first: int, last: int) -> str:
    found = [r["loss"] for r in records if r["event"] == "validation" and first <= r["step"] <= last]
    return f"{found[-1]:.4f}" if found else ""
