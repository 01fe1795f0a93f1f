"""Times the lyrics of any audio by a CTC model."""

from collections.abc import Callable
from pathlib import Path

from acestep_core.alignment.ctc import time_lines
from acestep_core.alignment.ctc_model import CtcModel
from acestep_core.alignment.timed import TimedLine
from acestep_core.audio import read_stereo
from acestep_core.errors import UserError
from acestep_core.files import read_text
from acestep_core.record import load_record
from acestep_core.saving import record_path

_WORDS = ".lyrics.txt"


def time_audio(model: CtcModel, path: Path, words: str | None, on_heard: Callable[[int, int], None]) -> list[TimedLine]:
    """When each line is sung; without `words` those of the record or of FILE.lyrics.txt."""
    lyrics = words_beside(path) if words is None else words
    wave = read_stereo(path, model.rate_hz).mean(axis=0)
    heard = model.hear(wave, on_heard)
    return time_lines(heard, model.alphabet, lyrics, model.frame_s, len(wave) / model.rate_hz)


def words_beside(path: Path) -> str:
    """The lyrics that lie beside an audio file."""
    if record_path(path).is_file():
        return load_record(record_path(path)).request.lyrics
    beside = path.with_name(path.stem + _WORDS)
    if not beside.is_file():
        raise UserError(f"There are no lyrics of {path.name}", f"give --lyrics-file, or write them to {beside.name}")
    return read_text(beside)
