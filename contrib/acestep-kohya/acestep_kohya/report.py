"""What `check` shows: a row for every key, the images, the steps, and everything that is wrong."""

from dataclasses import asdict
from typing import Any

import click

from acestep_core import UserError
from acestep_core.console import print_json, table
from acestep_kohya.call import ADDED, Call, Row
from acestep_kohya.images import Part
from acestep_kohya.looking import Look, look
from acestep_kohya.plan import Plan
from acestep_kohya.rules import secrets_in
from acestep_kohya.template import shown

_WIDEST = 40


def checked(call: Call) -> tuple[Call, Look]:
    """The call and what was found on the disk; all errors and notes are the call's."""
    found = look(call)
    call.errors += [*secrets_in(call), *found.errors]
    call.notes += found.notes
    return call, found


def show(call: Call, found: Look) -> None:
    click.echo(f"{call.schema.script}: {len(call.schema.arguments)} arguments, from {call.schema.origin}\n")
    rows = [(r.key, _place(r), _short(r), r.status, r.remark) for r in call.rows.values()]
    table(("key", "from", "value", "what becomes of it", ""), rows)
    click.echo()
    show_plan(call, found)
    for note in call.notes:
        click.echo(f"note: {note}")
    for error in call.errors:
        click.echo(f"problem: {error.problem}" + (f"; {error.hint}" if error.hint else ""))


def show_plan(call: Call, found: Look, err: bool = False) -> None:
    """The images and the sum of steps; to stderr where stdout is for a machine."""
    for part in found.images.parts:
        click.echo(_told(part), err=err)
    if found.plan is not None:
        click.echo(_sum(call, found.plan), err=err)
    for why in found.images.loose:
        click.echo(f"about: {why}", err=err)


def show_json(call: Call, found: Look) -> None:
    print_json({
        "script": call.schema.script, "schema": call.schema.origin, "keys": call.as_json(),
        "arguments": call.arguments() if not call.errors else None,
        "images": [asdict(p) | {"samples": p.samples} for p in found.images.parts],
        "plan": asdict(found.plan) if found.plan else None, "about": found.images.loose,
        "notes": call.notes, "problems": [{"problem": e.problem, "hint": e.hint} for e in call.errors],
    })  # fmt: skip


def problem_json(error: UserError) -> dict[str, Any]:
    return {"problems": [{"problem": error.problem, "hint": error.hint}]}


def _sum(call: Call, plan: Plan) -> str:
    sum_ = f"{plan.samples} samples in {plan.batches} batches an epoch"
    sum_ += f", {plan.accumulation} batches a step" if plan.accumulation > 1 else ""
    epochs = f"{plan.epochs} epoch" + ("s" if plan.epochs != 1 else "")
    why = f"in {epochs}" if plan.by_epochs else f"as max_train_steps says, {epochs}"
    return f"{sum_}: {plan.steps} steps {why}"


def _told(part: Part) -> str:
    kind = "for regularisation, " if part.is_reg else ""
    line = f"{part.name}: {kind}{part.images} images x {part.repeats} repeats = {part.samples}; "
    missing = part.images - part.captioned
    if not missing:
        return line + "all have captions"
    rest = "all" if not part.captioned else f"{part.captioned} have captions, the others"
    return line + f"{rest} are trained on '{part.fallback}'"


def _place(row: Row) -> str:
    if row.where.startswith("--set"):
        return "--set"
    line = row.where.rpartition(" line ")[2] if " line " in row.where else ""
    return f"[{row.section}] {line}".strip() if row.section else f"line {line}" if line else ""


def _short(row: Row) -> str:
    text = shown(row.value) if row.status != ADDED else " ".join(row.passed).partition("=")[2]
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
