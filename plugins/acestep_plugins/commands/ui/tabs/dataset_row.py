"""A song as a row of the table."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from acestep_core.console import clock
from acestep_plugins.commands.ui.words import Words

COLUMNS = ("song", "length", "caption", "lyrics", "bpm", "keyscale", "timesignature", "language", "genre", "sure",
           "problems")  # fmt: skip


def row_of(song: Mapping[str, Any], words: Words) -> list[str]:
    """A value with ? is a plugin's that nobody has accepted."""

    def shown(name: str, text: str | None = None) -> str:
        value = song[name] if text is None else text
        return f"{'' if value is None else value}{'?' if name in song['unreviewed'] else ''}"

    count = len(song["lyrics"].split())
    lyrics = "–" if song["instrumental"] else words("words_count", count=count)
    sure = [v for v in song["confidence"].values() if v is not None]
    wrong = [words.said(text) for text in (*(p["text"] for p in song["problems"]), *song["notes"])]
    return [PurePath(song["path"]).name, clock(song["duration_s"]), shown("caption"), shown("lyrics", lyrics),
            *(shown(n) for n in ("bpm", "keyscale", "timesignature", "language", "genre")),
            f"{min(sure):.0%}" if sure else "", "; ".join(wrong)]  # fmt: skip
