"""Reads lyrics with their times from a subtitle file beside the song. Nothing is listened to."""

from dataclasses import replace
from pathlib import Path

from acestep_core import Transcriber, UserError, hookimpl
from acestep_core.answers import Segment, Transcript
from acestep_core.audio import probe
from acestep_core.files import read_text
from acestep_core.lyrics import TIMED, clean_lyrics, parse_timed


class Sidecar(Transcriber):
    """The words in song.lrc, song.srt or song.vtt beside song.mp3."""

    name = "sidecar"

    def transcribe(self, audio: Path, *, language: str | None = None) -> Transcript:
        length_s = probe(audio).duration_s
        beside = [p for ending in TIMED if (p := audio.with_suffix(ending)).is_file()]
        if not beside:
            hint = "put one there, or choose another transcriber: acestep-core plugins list --kind transcribers"
            raise UserError(f"{audio.name} has no {', '.join(TIMED)} file beside it", hint)
        text = _text(beside[0])
        return Transcript(clean_lyrics(text).text, segments=_within(parse_timed(text), length_s))


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except OSError as e:
        raise UserError(f"{path.name} cannot be read ({e.strerror})", "check its permissions") from e


def _within(segments: list[Segment], length_s: float) -> tuple[Segment, ...]:
    """Times that lie inside the song; the last line of an .lrc lasts until its end."""
    inside = [replace(s, start_s=min(s.start_s, length_s), end_s=min(s.end_s, length_s)) for s in segments]
    if inside and inside[-1].end_s == inside[-1].start_s:
        inside[-1] = replace(inside[-1], end_s=length_s)
    return tuple(inside)


@hookimpl
def acestep_transcribers():
    return [Sidecar]
