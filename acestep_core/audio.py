"""Audio files in and out: read in blocks to 48 kHz stereo, written in blocks, never with partial results."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

EXTENSIONS = (".wav", ".mp3", ".flac", ".ogg", ".opus")
RATE_HZ = 48_000
_BLOCK_S = 1  # libvorbis overflows its stack on one long write (python-soundfile issue 396)
_FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a file says; nothing was decoded."""

    frames: int
    rate_hz: int
    channels: int

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate_hz


def probe(path: Path) -> AudioInfo:
    """The header of an audio file. Raises `UserError` for what cannot be used."""
    import soundfile

    if path.stat().st_size == 0:
        raise UserError("the file is empty", "export or copy it again")
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError) as e:
        raise UserError(f"it is no readable {path.suffix[1:]} audio ({e})", "export it again") from e
    if info.channels > 2:
        raise UserError(f"it has {info.channels} channels", "mix it down to stereo")
    if info.frames <= 0 or info.samplerate <= 0:
        raise UserError("it holds no sound", "export or copy it again")
    return AudioInfo(info.frames, info.samplerate, info.channels)


def read_stereo(path: Path, rate_hz: int = RATE_HZ) -> "np.ndarray":
    """The whole file as float32 [2, S] at `rate_hz`; mono is doubled.

    Decoded and resampled in blocks, so memory is the result plus one block. Raises `UserError` for a file that is
    shorter than its header says, or holds NaN or infinity.
    """
    import numpy as np

    info = probe(path)
    length = math.ceil(info.duration_s * rate_hz) + rate_hz
    wave, at = np.zeros((2, length), np.float32), 0
    for block in _resampled(path, info, rate_hz):
        if not np.isfinite(block).all():
            raise UserError("it holds NaN or infinite samples", "export it again from the original")
        room = min(len(block), length - at)
        wave[:, at : at + room] = block[:room].T
        at += room
    return wave[:, :at]


def _resampled(path: Path, info: AudioInfo, rate_hz: int) -> Iterator["np.ndarray"]:
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(info.rate_hz, rate_hz, 2, dtype="float32")
    decoded = 0
    for block in _decoded(path, info):
        decoded += len(block)
        yield stream.resample_chunk(block)
    declared = info.frames
    if decoded < declared - max(0.01 * declared, 0.2 * info.rate_hz):
        found, said = decoded / info.rate_hz, info.duration_s
        raise UserError(f"it is cut off: {found:.1f} s can be decoded of {said:.1f} s declared", "copy it again")
    yield stream.resample_chunk(np.zeros((0, 2), np.float32), last=True)


def _decoded(path: Path, info: AudioInfo) -> Iterator["np.ndarray"]:
    import numpy as np
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as f:
            for block in f.blocks(info.rate_hz * 10, dtype="float32", always_2d=True):
                yield np.ascontiguousarray(np.repeat(block, 2, axis=1) if block.shape[1] == 1 else block)
    except (soundfile.LibsndfileError, RuntimeError) as e:
        raise UserError(f"decoding stopped in the middle ({e})", "copy or export it again") from e


def normalise_peak(wave: "np.ndarray", peak_db: float) -> "np.ndarray":
    """The wave scaled so that its highest sample is at `peak_db` dBFS; silence stays silence."""
    import numpy as np

    peak = float(np.abs(wave).max()) if wave.size else 0.0
    return wave if peak == 0.0 else wave * np.float32(10 ** (peak_db / 20) / peak)


def format_of(path: Path) -> tuple[str, str]:
    """(container, codec) for a file name. Raises `UserError` for an extension that cannot be written."""
    if path.suffix.lower() not in _FORMATS:
        raise UserError(f"Cannot write '{path.suffix}' audio", f"use {', '.join(_FORMATS)}")
    return _FORMATS[path.suffix.lower()]


def write_audio(path: Path, wave: "np.ndarray", rate_hz: int = RATE_HZ) -> None:
    """Write float32 [2, S] in the format of the file's extension, under a temporary name first."""
    import soundfile

    container, codec = format_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    block = rate_hz * _BLOCK_S
    with soundfile.SoundFile(str(temporary), "w", rate_hz, wave.shape[0], format=container, subtype=codec) as f:
        for start in range(0, wave.shape[1], block):
            f.write(wave[:, start : start + block].T.clip(-1.0, 1.0))
    temporary.replace(path)
