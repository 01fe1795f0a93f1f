"""acestep-core recode"""

import sys
from pathlib import Path

import click

from acestep_core.charsets import decode_as, likely_charset
from acestep_core.cleaning import keep_original
from acestep_core.errors import UserError
from acestep_core.files import write_text

_SHOWN = 3


@click.command("recode")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--from", "charset", metavar="NAME", help="What they are now, such as cp932, gb18030 or cp1252.")
@click.option("--dry-run", is_flag=True, help="Show the first lines as they would be read, write nothing.")
def command(files: tuple[Path, ...], charset: str | None, dry_run: bool) -> None:
    """Make text files that are not UTF-8 UTF-8: lyrics, captions, JSON and tables.

    Each file is kept as FILE.orig. Without --from this says what each file probably is and writes nothing. Look at
    the lines it shows: only a person can tell whether they are right. Exit code 1 if a file could not be read so.
    """
    failed = False
    for file in files:
        try:
            _recode(file, charset, dry_run)
        except UserError as e:
            failed = True
            click.echo(f"{e.problem}; {e.hint}", err=True)
        except OSError as e:
            failed = True
            click.echo(f"{file} cannot be read or written ({e.strerror}); check its path and permissions", err=True)
    sys.exit(1 if failed else 0)


def _recode(file: Path, charset: str | None, dry_run: bool) -> None:
    raw = file.read_bytes()
    if _is_utf8(raw):
        click.echo(f"{file}: is UTF-8 already")
        return
    found = None if charset else likely_charset(raw)
    if charset is None and found is None:
        raise UserError(f"{file} is in no encoding that can be told", "give --from NAME if you know it")
    try:
        text = decode_as(raw, charset or found.codec)
    except UserError as e:
        raise UserError(f"{file} {e.problem}" if e.problem.startswith("is ") else e.problem, e.hint) from None
    guess = f"probably {found.name}, --from {found.codec}" if found else f"from {charset}"
    click.echo(f"{file}: {guess}")
    for line in [line for line in text.splitlines() if line.strip()][:_SHOWN]:
        click.echo(f"  {line}")
    if charset and not dry_run:
        kept = keep_original(file)
        write_text(file, text)
        click.echo(f"  written as UTF-8, what was there is in {kept.name}")


def _is_utf8(raw: bytes) -> bool:
    try:
        return "\0" not in raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
