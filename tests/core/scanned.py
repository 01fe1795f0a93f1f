"""What tests of scanning ask a folder for."""

from pathlib import Path

from acestep_core.data import Song
from acestep_core.scan import scan_folder


def only(folder: Path, **options: str) -> Song:
    songs = scan_folder(folder, **options).songs
    assert len(songs) == 1
    return songs[0]


def said(song: Song) -> str:
    return "\n".join(map(str, song.problems))
