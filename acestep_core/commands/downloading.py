"""acestep-core models download"""

import time
from pathlib import Path
from typing import Any

import click

from acestep_core.console import STOPPED, Ticker, print_json, printable, table
from acestep_core.errors import UserError, raise_all
from acestep_core.hub.catalogue import PARTS
from acestep_core.hub.download import SOURCES, download, open_hub
from acestep_core.hub.plan import Plan, PlannedFile, PlannedPart, check_room, free_bytes, make_plan
from acestep_core.hub.transfer import Transfer

FOLDER, FOLDER_ENV = Path("models"), "ACESTEP_CHECKPOINTS_DIR"
_MB = 1_000_000


@click.command("download")
@click.argument("names", nargs=-1, metavar="NAME...",
                shell_complete=lambda ctx, param, begun: [n for n in PARTS if n.startswith(begun)])  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Everything that models list --available shows.")
@click.option("--to", type=click.Path(path_type=Path), default=FOLDER, envvar=FOLDER_ENV, show_default=True,
              show_envvar=True, help="Folder for the models.")  # fmt: skip
@click.option("--source", type=click.Choice(SOURCES), default=SOURCES[0], show_default=True,
              help="Where from; never another than this.")  # fmt: skip
@click.option("--endpoint", metavar="URL", help="A mirror of the source; else HF_ENDPOINT or MODELSCOPE_ENDPOINT.")
@click.option("--revision", help="Branch, tag or commit; the newest if left out.")
@click.option("--only", is_flag=True, help="Not also the parts that a model needs.")
@click.option("--force", is_flag=True, help="Fetch again what is there.")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched, from where, to where; fetch nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def download_command(names: tuple[str, ...], everything: bool, to: Path, source: str, endpoint: str | None,
                     revision: str | None, only: bool, force: bool, dry_run: bool, as_json: bool) -> None:  # fmt: skip
    """Download models: by short name (acestep-v15-turbo, vae, ...), or OWNER/NAME, or OWNER/NAME/FOLDER.

    A model brings the parts it needs. Only weights as safetensors, settings and tokenizers are fetched, never code.
    What is there and right is not fetched again; what was broken off goes on where it was. Tokens for repositories
    that ask for one: HF_TOKEN, MODELSCOPE_API_TOKEN. Ctrl-C ends it with code 130.
    """
    if bool(names) == everything:
        raise UserError("Say what to download", "a name, or --all; see: acestep-core models list --available")
    transfer = Transfer(open_hub(source, endpoint))
    try:
        plan = make_plan(names or list(PARTS), to, transfer, revision, not only, force)
        if not as_json:
            _show(plan)
        problems = [*plan.problems, *_fetch(plan, transfer, dry_run, as_json)]
    finally:
        transfer.close()
    if as_json:
        print_json(_facts(plan, dry_run, problems))
    raise_all(problems, "The download")


def _fetch(plan: Plan, transfer: Transfer, dry_run: bool, as_json: bool) -> list[UserError]:
    try:
        check_room(plan)
    except UserError as e:
        return [e]
    problems: list[UserError] = []
    if dry_run:
        return problems
    try:
        for fetched in download(plan, transfer, _Progress(plan)):
            if fetched.problem:
                problems.append(fetched.problem)
            elif not as_json:
                click.echo(f"{fetched.planned.part.name}: complete in {fetched.planned.folder}")
    except KeyboardInterrupt:
        click.echo("Stopped. The same command goes on where it was.", err=True)
        raise SystemExit(STOPPED) from None
    return problems


def _show(plan: Plan) -> None:
    if not plan.parts:
        return
    click.echo(f"from {plan.hub.endpoint} to {plan.to}:")
    table(("name", "what", "repository", "revision", "licence", "size", "to fetch"), [
        (p.part.name, p.part.kind, p.part.repo, p.listing.revision[:12], p.licence or "not said", _gb(p.size),
         _gb(p.fetch)) for p in plan.parts
    ], right=("size", "to fetch"))  # fmt: skip
    free = free_bytes(plan.to)
    click.echo(f"to fetch: {_gb(plan.fetch)}, room there: {_gb(free)}. Each licence stands in the part's README.md.")


def _facts(plan: Plan, dry_run: bool, problems: list[UserError]) -> dict[str, Any]:
    return {
        "source": plan.hub.name,
        "endpoint": plan.hub.endpoint,
        "to": plan.to,
        "dry_run": dry_run,
        "fetch_bytes": plan.fetch,
        "parts": [_part_facts(p) for p in plan.parts],
        "problems": [e.as_plain() for e in problems],
    }


def _part_facts(planned: PlannedPart) -> dict[str, Any]:
    return {
        "name": planned.part.name,
        "kind": planned.part.kind,
        "folder": planned.folder,
        "repository": planned.part.repo,
        "revision": planned.listing.revision,
        "licence": planned.licence,
        "bytes": planned.size,
        "fetch_bytes": planned.fetch,
        "files": [{"name": f.path.name, "bytes": f.file.size, "fetch_bytes": f.fetch, "digest": f.file.digest}
                  for f in planned.files],
        "left_out": list(planned.left_out),
    }  # fmt: skip


class _Progress:
    """Megabytes of the whole download, the file at hand and its speed, with time left."""

    def __init__(self, plan: Plan):
        files = [f for p in plan.parts for f in p.files]
        self._total, self._done = sum(f.file.size for f in files), sum(f.have for f in files)
        self._first, self._start, self._shown = self._done, time.monotonic(), -1
        self._ticker = Ticker("MB", self._total // _MB, self._done // _MB)

    def __call__(self, file: PlannedFile, added: int) -> None:
        self._done += added
        megabytes = self._done // _MB
        if megabytes == self._shown or self._done == self._first or self._total < _MB:
            return
        self._shown = megabytes
        speed = (self._done - self._first) / _MB / max(1e-3, time.monotonic() - self._start)
        self._ticker.update(megabytes, printable(f"{file.path.name}, {max(0.0, speed):.1f} MB/s"))


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
