"""Composed pieces as a songs folder: audio and side files as acestep-core reads them."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from acestep_core.audio import write_audio
from acestep_core.data import INSTRUMENTAL
from acestep_core.files import read_text, write_text
from acestep_nano.pieces import Piece, held_out
from acestep_nano.rendering import RATE_HZ, render


@dataclass
class Written:
    """File names of what was made and of what was there."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def stem(piece: Piece) -> str:
    """The file name without its ending: the style and the seed."""
    return f"{'held-out' if held_out(piece) else piece.style.replace(' ', '-')}-{piece.seed:06d}"


def write_pieces(pieces: Iterable[Piece], out: Path, on_piece: Callable[[int, str], None] | None = None) -> Written:
    """Writes each piece into the folder `out`, the sound last; a piece that is there from the same seed is kept.

    `on_piece` is told the number of pieces done and the name of the last.
    """
    written = Written()
    for number, piece in enumerate(pieces, 1):
        path = out / f"{stem(piece)}.flac"
        if is_there(piece, path):
            written.kept.append(path.name)
        else:
            write_piece(piece, path)
            written.made.append(path.name)
        if on_piece is not None:
            on_piece(number, path.name)
    return written


def write_piece(piece: Piece, path: Path) -> None:
    """The audio file `path` and the side files beside it."""
    for side, text in side_texts(piece, path).items():
        write_text(side, text)
    write_audio(path, render(piece), RATE_HZ)


def is_there(piece: Piece, path: Path) -> bool:
    """Whether the audio is there, which is written last, with the texts of this very piece."""
    return path.exists() and all(s.exists() and read_text(s) == text for s, text in side_texts(piece, path).items())


def side_texts(piece: Piece, path: Path) -> dict[Path, str]:
    """What stands in the files beside `path`; an instrumental says so, for silence would leave it open."""
    labels = {"bpm": piece.bpm, "keyscale": piece.keyscale, "timesignature": piece.timesignature,
              "language": piece.language}  # fmt: skip
    return {
        path.with_suffix(".json"): json.dumps(labels, indent=2) + "\n",
        path.with_suffix(".caption.txt"): f"{piece.caption}\n",
        path.with_suffix(".lyrics.txt"): f"{piece.lyrics or INSTRUMENTAL}\n",
    }
