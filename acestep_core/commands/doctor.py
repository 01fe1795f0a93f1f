"""acestep-core plugins doctor"""

import sys

import click

from acestep_core.api import KINDS
from acestep_core.console import print_json, table
from acestep_core.doctor import Finding, examine_all
from acestep_core.registry import registry


@click.command("doctor")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only this kind.")
@click.option("--timeout", "timeout_s", type=float, default=30.0, show_default=True, help="Seconds each may take.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(kind: str | None, timeout_s: float, as_json: bool) -> None:
    """Import every plugin, each in a process of its own, and say what is wrong with it. Exit code 1 if any fails."""
    plugins = [known for each in ([kind] if kind else KINDS) for known in registry().known(each)]
    findings = list(examine_all(plugins, timeout_s))
    if as_json:
        print_json({"plugins": [_as_json(f) for f in findings], "notes": registry().notes()})
    else:
        _show(findings)
    sys.exit(1 if any(f.problem for f in findings) else 0)


def _show(findings: list[Finding]) -> None:
    table(("kind", "name", "from", "import", "verdict"), [_row(f) for f in findings], right=("import",))
    for f in findings:
        for line in ([f.problem] if f.problem else []) + f.advice:
            click.echo(f"{f.known.qualified}: {line}")
        if f.uses:
            click.echo(f"{f.known.qualified} uses here: {', '.join(f'{k}={v}' for k, v in f.uses.items())}")
    for note in registry().notes():
        click.echo(note)


def _row(f: Finding) -> tuple[str, ...]:
    verdict = "broken" if f.problem else "advice" if f.advice else "ok"
    return f.known.kind, f.known.name, f"{f.known.dist} {f.known.version}", f"{f.seconds * 1000:.0f} ms", verdict


def _as_json(f: Finding) -> dict[str, object]:
    known = {"kind": f.known.kind, "name": f.known.name, "distribution": f.known.dist, "version": f.known.version}
    return known | {"seconds": round(f.seconds, 4), "problem": f.problem, "advice": f.advice, "uses": f.uses}
