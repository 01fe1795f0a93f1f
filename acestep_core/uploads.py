"""Makes audio fit for a web service: small enough, in a format it takes, in pieces that are not too long.

What fits is sent as it is. The rest becomes mono 16 kHz, which is what speech models listen to, in temporary files.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from acestep_core.audio import probe, read_blocks
from acestep_core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

RATE_HZ = 16_000
FLAC_BYTES_PER_S = 20_000  # of mono 16 kHz music, about; the most is 32,000
SENT_BYTES_PER_S = 1e6  # assumed of the line, 8 Mbit/s
HEARD_PER_S = 10.0  # assumed of the services: seconds of audio in a second; none promises any speed
_WINDOW_S = 0.1
_SEARCH_S = 30.0
_FILES = {  # format: (suffix, type as Gemini lists it, soundfile's subtype)
    "FLAC": (".flac", "audio/flac", "PCM_16"),
    "MP3": (".mp3", "audio/mp3", "MPEG_LAYER_III"),
    "WAV": (".wav", "audio/wav", "PCM_16"),
    "VORBIS": (".ogg", "audio/ogg", "VORBIS"),
    "OPUS": (".opus", "audio/ogg", "OPUS"),
}


@dataclass(frozen=True)
class Limits:
    """What a service takes: bytes and seconds of one upload, and formats out of FLAC, MP3, WAV, VORBIS and OPUS."""

    bytes: int
    seconds: float
    formats: tuple[str, ...] = ("FLAC", "MP3", "WAV", "VORBIS")


@dataclass(frozen=True)
class Piece:
    """A stretch of the song in a file of its own, or the song itself; times in seconds of the song."""

    path: Path
    start_s: float
    end_s: float
    format: str

    @property
    def mime(self) -> str:
        return _FILES[self.format][1]

    @property
    def file_name(self) -> str:
        """A neutral name with the right ending: services go by it, and the song's own may be wrong or private."""
        return f"audio{_FILES[self.format][0]}"


@dataclass(frozen=True)
class Estimate:
    """What sending a song would take. `cost_usd` is None where no price is known; `wall_s` is a rough guess."""

    seconds: float
    pieces: int
    upload_bytes: int
    cost_usd: float | None

    @property
    def wall_s(self) -> float:
        return self.upload_bytes / SENT_BYTES_PER_S + self.seconds / HEARD_PER_S


def estimate(audio: Path, limits: Limits, usd_per_minute: float | None) -> Estimate:
    """What sending the file would take, from its header alone."""
    seconds = probe(audio).duration_s
    cost = None if usd_per_minute is None else seconds / 60 * usd_per_minute
    if _fits(audio, seconds, limits):
        return Estimate(seconds, 1, audio.stat().st_size, cost)
    return Estimate(seconds, _count(seconds, limits.seconds), round(seconds * FLAC_BYTES_PER_S), cost)


@contextmanager
def prepared(audio: Path, limits: Limits) -> Iterator[list[Piece]]:
    """Pieces that fit, in order; temporary ones are removed after the block. Memory does not grow with the length."""
    seconds = probe(audio).duration_s
    if _fits(audio, seconds, limits):
        yield [Piece(audio, 0.0, seconds, _format(audio))]
        return
    with TemporaryDirectory(prefix="acestep-upload-") as folder:
        yield _transcoded(audio, seconds, limits, Path(folder))


def quiet_ends(levels: "np.ndarray", window_s: float, longest_s: float) -> list[float]:
    """Where to cut, in seconds: pieces of about equal length, none above `longest_s`, each ending where it is quietest.

    `levels` has the power of each window. The last end, that of the song, is not in the list.
    """
    total_s, start_s, ends = len(levels) * window_s, 0.0, []
    search_s = min(_SEARCH_S, longest_s / 4)
    for left in range(_count(total_s, longest_s), 1, -1):
        ideal_s = start_s + (total_s - start_s) / left
        low_s = max(total_s - longest_s * (left - 1), ideal_s - search_s)
        high_s = min(start_s + longest_s, ideal_s + search_s)
        start_s = _quietest(levels, window_s, low_s, high_s, ideal_s)
        ends.append(start_s)
    return ends


def _quietest(levels: "np.ndarray", window_s: float, low_s: float, high_s: float, ideal_s: float) -> float:
    import numpy as np

    first, last = math.ceil(low_s / window_s), math.floor(high_s / window_s)
    near = levels[first:last]
    if not len(near):
        return ideal_s
    middles_s = (first + np.flatnonzero(near <= near.min()) + 0.5) * window_s
    return float(middles_s[np.abs(middles_s - ideal_s).argmin()])


def _count(seconds: float, longest_s: float) -> int:
    return max(1, math.ceil(seconds / longest_s - 1e-9))


def _format(audio: Path) -> str:
    """What the file is, whatever its name says."""
    import soundfile

    info = soundfile.info(str(audio))
    if info.format == "OGG":
        return info.subtype
    if info.format in ("WAV", "WAVEX"):
        return "WAV" if info.subtype in ("PCM_16", "PCM_24") else f"WAV {info.subtype}"
    return info.format


def _fits(audio: Path, seconds: float, limits: Limits) -> bool:
    return seconds <= limits.seconds and audio.stat().st_size <= limits.bytes and _format(audio) in limits.formats


def _transcoded(audio: Path, seconds: float, limits: Limits, folder: Path) -> list[Piece]:
    ends = quiet_ends(_levels(audio), _WINDOW_S, limits.seconds) if seconds > limits.seconds else []
    lossless = "FLAC" if "FLAC" in limits.formats else "WAV"
    for name in [n for n in (lossless, "MP3") if n in limits.formats]:
        pieces = _write(audio, [*ends, seconds], folder, name)
        if max(p.path.stat().st_size for p in pieces) <= limits.bytes:
            return pieces
    raise UserError(f"{audio.name} is too large to send, even as mono 16 kHz", "split it into shorter files")


def _mono(audio: Path) -> Iterator["np.ndarray"]:
    for block in read_blocks(audio, RATE_HZ):
        yield block.mean(axis=1)


def _levels(audio: Path) -> "np.ndarray":
    """Power of each tenth of a second, smoothed over half a second so that no gap between two words is a pause."""
    import numpy as np

    size, found, rest = round(_WINDOW_S * RATE_HZ), [], np.zeros(0, np.float32)
    for block in _mono(audio):
        rest = np.concatenate([rest, block])
        whole = len(rest) // size * size
        found.append(np.square(rest[:whole].reshape(-1, size)).mean(axis=1))
        rest = rest[whole:]
    levels = np.concatenate(found)
    return np.convolve(np.pad(levels, 2, mode="edge"), np.ones(5) / 5, mode="valid")


def _write(audio: Path, ends_s: list[float], folder: Path, name: str) -> list[Piece]:
    import soundfile

    suffix, _, subtype = _FILES[name]
    starts_s = [0.0, *ends_s[:-1]]
    paths = [folder / f"{i}{suffix}" for i in range(len(ends_s))]
    container = {"format": name, "subtype": subtype}
    with ExitStack() as files:
        outs = [files.enter_context(soundfile.SoundFile(str(p), "w", RATE_HZ, 1, **container)) for p in paths]
        at, current = 0, 0
        for block in _mono(audio):
            while len(block):
                last = current == len(outs) - 1
                room = len(block) if last else max(0, round(ends_s[current] * RATE_HZ) - at)
                outs[current].write(block[:room].clip(-1.0, 1.0))
                at, block = at + len(block[:room]), block[room:]
                current += bool(len(block))
    return [Piece(p, a, b, name) for p, a, b in zip(paths, starts_s, ends_s, strict=True)]
