"""The review in a terminal: shows one value after the other and does what is typed, a letter or a new value."""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence

import click

from acestep_core.commands.scan import UNREVIEWED, marked
from acestep_core.console import STOPPED, clock, printable, table
from acestep_core.data import FIELDS, names
from acestep_core.errors import UserError
from acestep_core.players import Player
from acestep_core.reviewing import TEXTS, Item, accept, as_text, set_by_user

_KEYS = "a accept, e edit, x remove, s skip, b back, p play, q quit, ? help"
_WORDS = {w: w[0] for w in ("accept", "edit", "skip", "back", "play", "quit")} | {"remove": "x", "help": "?", "h": "?"}
_HELP = f"""\
  a  accept: the value is right. Who gave it stays on record.
  e  edit it in your editor ($VISUAL or $EDITOR); what you save is yours.
  =  and a new value, such as =92 or =C minor, sets it at once.
  x  remove it: it is wrong and you know no better. A song whose lyrics are removed is instrumental.
  s  skip it for now; it is asked again next time.
  b  back to the one before, decided or not.
  p  play the song, or stop it.
  q  quit. Everything decided is written; the same command goes on with the rest.
  {UNREVIEWED}  behind a value: a plugin gave it and nobody has accepted it yet."""
_SOURCE, _REST = 28, 48  # columns of a source at most, and of all but the value in the list of labels


def walk(items: Sequence[Item], program: str | None = None) -> int:
    """Ask about each item; returns the exit code. Raises `UserError` where nobody can answer."""
    if not items:
        click.echo("Nothing needs a person here. 'review --all' shows what else plugins gave.")
        return 0
    session = _Session(items, Player(program))
    try:
        session.run()
    except KeyboardInterrupt:
        click.echo()
        session.stopped = True
    finally:
        session.player.stop()
    click.echo(session.summary())
    return STOPPED if session.stopped else 0


class _Session:
    """Where the person is, and what was decided of each item."""

    def __init__(self, items: Sequence[Item], player: Player):
        self.items, self.player = items, player
        self.called = names([i.song for i in items])
        self.decided: dict[int, str] = {}
        self.stopped = self._quit = self._heard = False
        self._at = 0

    def run(self) -> None:
        shown = -1
        while self._at < len(self.items) and not self._quit:
            if shown != self._at:
                self._show(self.items[self._at])
                shown = self._at
            click.echo(f"{_KEYS}> ", nl=False)
            line = sys.stdin.readline()
            if not sys.stdin.isatty():
                click.echo(line.rstrip("\n"))
            if not line:
                self._end_of_input()
            else:
                self._heard = True
                self._do(line.strip())

    def summary(self) -> str:
        count = Counter(self.decided.values())
        left = len(self.items) - count["accepted"] - count["changed"]
        rest = f"{left} left; the same command goes on with them." if left else "None left."
        return f"{count['accepted']} accepted, {count['changed']} changed, {rest}"

    def _end_of_input(self) -> None:
        if sys.stdin.isatty():
            click.echo()
        elif not self._heard:
            raise UserError("There is no terminal to ask in", "use --export and --import, or --dry-run to list them")
        self._quit = True

    def _do(self, typed: str) -> None:
        actions = {"a": self._accept, "e": self._edit, "x": self._remove, "s": self._skip, "b": self._back,
                   "p": self._play, "q": self._leave, "?": lambda: click.echo(_HELP), "": lambda: None}  # fmt: skip
        key = _WORDS.get(typed.lower(), typed.lower())
        try:
            if key in actions:
                actions[key]()
            else:
                self._set(self._value_in(typed))
        except UserError as e:
            click.echo(printable(f"{e.problem}; {e.hint}" if e.hint else e.problem))

    def _value_in(self, typed: str) -> str:
        """A new value behind '='; for a field whose values can be told from commands, without it too."""
        if typed.startswith("="):
            return typed[1:].strip()
        name = self.items[self._at].field
        if name in (*TEXTS, "genre"):
            raise UserError(f"'{typed}' is no command", f"={typed} sets it as {name}; ? shows the commands")
        return typed

    def _accept(self) -> None:
        item = self.items[self._at]
        accept(item.song, item.field)
        self._next("accepted")

    def _set(self, text: str) -> None:
        item = self.items[self._at]
        set_by_user(item.song, item.field, text)
        click.echo(printable(f"{item.field} is now {as_text(item.value) or 'empty'}") if item.field not in TEXTS
                   else f"{item.field} is changed")  # fmt: skip
        self._next("changed")

    def _remove(self) -> None:
        self._set("")

    def _edit(self) -> None:
        before = as_text(self.items[self._at].value)
        try:
            text = click.edit(before + "\n", extension=".txt")
        except click.ClickException as e:
            raise UserError(f"No editor could be used ({e.message})", "set EDITOR, or type = and the value") from None
        if text is None or text.strip() == before:
            raise UserError("Nothing was changed", "a accepts it as it is")
        self._set(text.strip())

    def _skip(self) -> None:
        self._next(self.decided.get(self._at, "skipped"))

    def _back(self) -> None:
        if self._at == 0:
            raise UserError("This is the first", "? shows the commands")
        self._at -= 1

    def _leave(self) -> None:
        self._quit = True

    def _next(self, what: str) -> None:
        self.decided[self._at] = what
        self._at += 1

    def _play(self) -> None:
        if self.player.playing:
            self.player.stop()
            click.echo("stopped")
        else:
            click.echo(f"{self.player.play(self.items[self._at].song.path)} is playing; p stops it")

    def _show(self, item: Item) -> None:
        song = item.song
        if self._at == 0 or self.items[self._at - 1].song is not song:
            self.player.stop()
        known = [n for n in FIELDS if n in song.sources and n != item.field]
        number, decided = f"[{self._at + 1}/{len(self.items)}]", self.decided.get(self._at, "")
        heading = f"{number} {self.called[song.path]}  {clock(song.duration_s)}  {item.field} {decided}"
        click.echo(printable(f"\n{heading.rstrip()}"))
        if known:
            wide = max(20, shutil.get_terminal_size().columns - _REST)
            values = {n: marked(song, n, _line(as_text(getattr(song, n)), wide)) for n in known}
            rows = [(n, value, _line(song.sources[n], _SOURCE)) for n, value in values.items()]
            table(("label", "value", "from"), rows)
        click.echo("\n".join(f"  {printable(line)}" for line in _asked(item)))


def _asked(item: Item) -> list[str]:
    """The value in question, whole, and why it is asked about."""
    lines = as_text(item.value).splitlines() or ["(none)"]
    others = [f"or {', '.join(map(as_text, item.alternatives))}"] if item.alternatives else []
    told = [*lines, ""] if item.field in TEXTS else [*lines, *others]
    return [*told, *(f"{item.field}: {w}" if not w.startswith(item.field) else w for w in item.why)]


def _line(text: str, widest: int) -> str:
    text = printable(" / ".join(text.splitlines()))
    return text if len(text) <= widest else f"{text[: widest - 1]}…"
