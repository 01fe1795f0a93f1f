"""Reads lyrics with times from an .lrc file beside the song. A line lasts until the next one begins."""

import re
from itertools import pairwise
from pathlib import Path

from acestep_core import Transcriber, UserError, hookimpl
from acestep_core.answers import Segment, Transcript
from acestep_core.audio import probe

TIME = re.compile(r"\[(\d+):(\d\d(?:\.\d+)?)\]")  # [mm:ss.xx]; one line may have several


class Lrc(Transcriber):
    """The words in song.lrc beside song.mp3; none where there is no such file."""

    name = "lrc"

    def transcribe(self, audio: Path, *, language: str | None = None) -> Transcript:
        duration_s, beside = _duration_s(audio), audio.with_suffix(".lrc")
        if not beside.is_file():
            return Transcript("")
        found = [(min(start, duration_s), text) for start, text in _lines(beside)]
        spans = pairwise([*found, (duration_s, "")])
        segments = tuple(Segment(start, end, text) for (start, text), (end, _) in spans if text)
        return Transcript("\n".join(s.text for s in segments), segments=segments)


def _lines(path: Path) -> list[tuple[float, str]]:
    """(start in seconds, words) in the order they are sung; a stretch without words has none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as e:
        raise UserError(f"{path} is no UTF-8 text", "save it as UTF-8") from e
    return sorted((60 * int(m) + float(s), TIME.sub("", line).strip()) for line in lines for m, s in TIME.findall(line))


def _duration_s(audio: Path) -> float:
    if not audio.is_file():
        raise UserError(f"There is no file {audio}", "give the path of a song")
    try:
        return probe(audio).duration_s
    except UserError as e:
        raise UserError(f"{audio} cannot be heard: {e.problem}", e.hint) from e


@hookimpl
def acestep_transcribers():
    return [Lrc]
