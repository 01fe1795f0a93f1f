"""Audio files in and out: read in blocks to 48 kHz stereo, written in blocks, never with partial results."""

import math
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from acestep_core.audio_format import AudioSettings, encoding_of
from acestep_core.audio_tags import id3
from acestep_core.errors import UserError
from acestep_core.repeatable import make_repeatable

if TYPE_CHECKING:
    import numpy as np

EXTENSIONS = (".wav", ".mp3", ".flac", ".ogg", ".opus")
RATE_HZ = 48_000
SILENCE = 1e-6  # the peak below which the reference calls a file silent, handler/io_audio.py
_STREAMED = 2**31 - 2**16  # a WAV written to a pipe declares about this many bytes, or more, or none
_NO_LENGTH = 2**63 - 1  # SF_COUNT_MAX, what libsndfile says of a FLAC written to a pipe
_OGG_PAGE = 65_307  # bytes of the longest, RFC 3533
_BLOCK_S = 1  # libvorbis overflows its stack on one long write (python-soundfile issue 396)


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
    if not path.is_file():
        raise UserError("the file is missing", "check its path")
    with path.open("rb") as file:
        return probe_open(path, file)


def probe_open(path: Path, file: BinaryIO) -> AudioInfo:
    """`probe` of a file that is open already, in which the marks of a cut are looked for."""
    import soundfile

    if file.seek(0, os.SEEK_END) == 0:
        raise UserError("the file is empty", "export or copy it again")
    try:
        with soundfile.SoundFile(str(path)) as f:
            info = AudioInfo(f.frames, f.samplerate, f.channels)
    except (soundfile.LibsndfileError, OSError) as e:
        raise UserError(f"it is no readable {path.suffix} audio", "export it again as .wav or .flac") from e
    if info.channels > 2:
        raise UserError(f"it has {info.channels} channels", "mix it down to stereo")
    if info.frames <= 0 or info.rate_hz <= 0:
        raise UserError("it holds no sound", "export or copy it again")
    if info.frames == _NO_LENGTH:
        raise UserError("its header does not say how long it is", "export it again to a file, not through a pipe")
    _check_end(file, info)
    return info


def _check_end(file: BinaryIO, info: AudioInfo) -> None:
    """libsndfile takes the sound that is there of a WAV or Ogg file without a word."""
    file.seek(0)
    start = file.read(4)
    if start == b"RIFF":
        declared, present = _riff_bytes(file)
        if present < 0.99 * declared and declared < _STREAMED:
            raise _cut_off(info.duration_s, info.duration_s * declared / present)
    elif start == b"OggS" and ogg_end(file).cut_off:
        raise UserError("it is cut off in the middle of an Ogg page", "copy it again")


def _riff_bytes(file: BinaryIO) -> tuple[int, int]:
    """(declared, present) bytes of sound in a WAV, zeros if it has none."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            start = file.tell()
            return size, file.seek(0, os.SEEK_END) - start
        file.seek(size + size % 2, 1)
    return 0, 0


@dataclass(frozen=True)
class OggEnd:
    """How an Ogg file ends: in the middle of a page, or without the flag that says that the stream ends."""

    cut_off: bool
    says_end: bool


def ogg_end(file: BinaryIO) -> OggEnd:
    """The last page of an open Ogg file."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - 2 * _OGG_PAGE))
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    lengths = page[27 : 27 + page[26]] if len(page) > 27 else b""
    return OggEnd(not lengths or len(page) < 27 + page[26] + sum(lengths), len(page) > 5 and bool(page[5] & 4))


def says_where_it_ends(file: BinaryIO) -> bool:
    """False for an Ogg stream without its last page and for an MP3 without a Xing, Info or VBRI header.

    libsndfile then goes by the pages that are there, or by the size of the file.
    """
    file.seek(0)
    start = file.read(10)
    if start[:4] == b"OggS":
        return ogg_end(file).says_end
    tag = start[:3] == b"ID3"
    mp3 = tag or (start[:1] == b"\xff" and start[1:2] >= b"\xe0")
    file.seek(10 + sum(byte << shift for byte, shift in zip(start[6:], (21, 14, 7, 0), strict=False)) if tag else 0)
    head = file.read(2048)
    return not mp3 or head[:4] == b"fLaC" or any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


def _cut_off(found_s: float, declared_s: float) -> UserError:
    return UserError(f"it is cut off: {found_s:.1f} s are there of {declared_s:.1f} s declared", "copy it again")


def read_stereo(path: Path, rate_hz: int = RATE_HZ) -> "np.ndarray":
    """The whole file as float32 [2, S] at `rate_hz`; mono is doubled.

    Decoded and resampled in blocks, so memory is the result plus one block. Raises `UserError` for a file that is
    shorter than its header says, or holds NaN or infinity.
    """
    import numpy as np

    info = probe(path)
    length = math.ceil(info.duration_s * rate_hz) + rate_hz
    wave, at = np.zeros((2, length), np.float32), 0
    for block in read_blocks(path, rate_hz):
        room = min(len(block), length - at)
        wave[:, at : at + room] = block[:room].T
        at += room
    return wave[:, :at]


def read_blocks(path: Path, rate_hz: int = RATE_HZ) -> Iterator["np.ndarray"]:
    """The file as float32 blocks [S, 2] of about ten seconds, for files that do not fit in memory."""
    import numpy as np

    for block in _resampled(path, probe(path), rate_hz):
        if not np.isfinite(block).all():
            raise UserError("it holds NaN or infinite samples", "export it again from the original")
        yield block


def _resampled(path: Path, info: AudioInfo, rate_hz: int) -> Iterator["np.ndarray"]:
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(info.rate_hz, rate_hz, 2, dtype="float32")
    frames = 0
    for block in decoded(path, info):
        frames += len(block)
        yield stream.resample_chunk(block)
    check_complete(frames, info)
    yield stream.resample_chunk(np.zeros((0, 2), np.float32), last=True)


def check_complete(frames: int, info: AudioInfo) -> None:
    """Raises `UserError` if fewer frames were decoded than the header says."""
    if frames < info.frames - max(0.01 * info.frames, 0.2 * info.rate_hz):
        raise _cut_off(frames / info.rate_hz, info.duration_s)


def decoded(path: Path, info: AudioInfo) -> Generator["np.ndarray", None, None]:
    """The file at its own rate as float32 blocks [S, 2] of ten seconds; mono is doubled."""
    import numpy as np
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as f:
            # not f.blocks(): where a file is cut off, that repeats old samples up to the declared length
            while len(block := f.read(info.rate_hz * 10, dtype="float32", always_2d=True)):
                yield np.ascontiguousarray(np.repeat(block, 2, axis=1) if block.shape[1] == 1 else block)
    except (soundfile.LibsndfileError, RuntimeError) as e:
        raise UserError(f"decoding stopped in the middle ({e})", "copy or export it again") from e


def write_audio(path: Path, wave: "np.ndarray", rate_hz: int = RATE_HZ, settings: AudioSettings | None = None) -> None:
    """Write float32 [channels, S] in the format of the file's extension, under a temporary name first.

    The same wave and settings give the same bytes. What is above full scale is clipped, but for float32.
    """
    import soundfile

    settings = settings or AudioSettings()
    encoding = encoding_of(path, settings, wave.shape[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    how = {"format": encoding.container, "subtype": encoding.codec, **encoding.more}
    try:
        with soundfile.SoundFile(str(temporary), "w", rate_hz, wave.shape[0], **how) as f:
            if encoding.container != "MP3":
                for name, text in settings.tags.items():
                    setattr(f, name, text)
            for block in _written(wave, rate_hz * _BLOCK_S, encoding.clips):
                f.write(block)
        make_repeatable(temporary)
        if encoding.container == "MP3" and settings.tags:
            temporary.write_bytes(id3(settings.tags) + temporary.read_bytes())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _written(wave: "np.ndarray", length: int, clips: bool) -> Iterator["np.ndarray"]:
    for start in range(0, wave.shape[1], length):
        block = wave[:, start : start + length].T
        yield block.clip(-1.0, 1.0) if clips else block
