"""The program: `python -m acestep_nano COMMAND`."""

from pathlib import Path
from typing import Any

import click

from acestep_core.console import Ticker, errors_shown, print_json
from acestep_nano.learning.command import train
from acestep_nano.pieces import HELD_OUT, METRES, STYLES


@click.group()
def main() -> None:
    """Compose small pieces of music with perfect labels, and make acestep-nano learn from them."""


main.add_command(train)


@main.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="How many pieces.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the first piece.")
@click.option("--style", type=click.Choice(STYLES), help="Only this style.")
@click.option("--key", help="Only this key, such as 'F# minor'.")
@click.option("--bpm", type=int, help="Only this tempo, 60 to 180.")
@click.option("--metre", type=click.Choice(METRES), help="Only this metre.")
@click.option("--drums/--no-drums", default=None, help="With or without drums; else half of them have some.")
@click.option("--held-out", is_flag=True, help="Pentatonic bells in 6/8, which are made in no other way.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def compose(out: Path, count: int, seed: int, held_out: bool, as_json: bool, **given: Any) -> None:
    """Write COUNT pieces into OUT, a songs folder for acestep-core.

    Pieces that are there are kept: a stopped run is gone on with by the same command.
    """
    from acestep_core.errors import UserError
    from acestep_nano.composing import compose as composed
    from acestep_nano.folder import write_pieces

    with errors_shown():
        ways = {**given, **asked_apart(given)} if held_out else given
        pieces = (composed(each, **ways) for each in range(seed, seed + count))
        try:
            written = write_pieces(pieces, out, Ticker("compose", count).update)
        except OSError as e:
            raise UserError(f"{out} cannot be written to ({e.strerror or e})", "name another folder") from e
    if as_json:
        print_json({"out": out, "made": written.made, "kept": written.kept})
    else:
        click.echo(f"{out}: {len(written.made)} pieces made, {len(written.kept)} kept.")


def asked_apart(given: dict[str, Any]) -> dict[str, Any]:
    """The held-out style. Raises `UserError` where another style or metre is asked for too."""
    from acestep_core.errors import UserError

    for name, value in HELD_OUT.items():
        if given.get(name) not in (None, value):
            raise UserError(f"--held-out is {value}, not {given[name]}", f"leave out --held-out or --{name}")
    return HELD_OUT


if __name__ == "__main__":
    main(prog_name="python -m acestep_nano")
